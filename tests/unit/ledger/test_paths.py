"""Names that may not stand in a handover, and what is proposed instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.fields import document_path
from ledger.paths import PathProblem, Problem, UnsafePathsError, check_name, check_paths, propose_name


@pytest.mark.parametrize(
    ("path", "problems"),
    [
        ("E1 竣工验收/报告.pdf", []),
        ("/etc/passwd", [Problem.ABSOLUTE]),
        ("C:/图纸.dwg", [Problem.ABSOLUTE]),
        ("C:\\图纸.dwg", [Problem.ABSOLUTE, Problem.BACKSLASH]),
        ("a/../b", [Problem.DOT_SEGMENT]),
        ("./a", [Problem.DOT_SEGMENT]),
        ("a//b", [Problem.EMPTY_SEGMENT]),
        ("a/", [Problem.EMPTY_SEGMENT]),
        ("", [Problem.EMPTY_SEGMENT]),
        ("cafe\u0301", [Problem.NOT_NFC]),
        ("a\tb", [Problem.CONTROL_CHARACTER]),
        ("a\x7fb", [Problem.CONTROL_CHARACTER]),
        ("a\\b", [Problem.BACKSLASH]),
        ("a\udcb2", [Problem.NOT_UTF8]),
        (
            "/a\\b\n/../e\u0301",
            [Problem.ABSOLUTE, Problem.BACKSLASH, Problem.CONTROL_CHARACTER, Problem.DOT_SEGMENT, Problem.NOT_NFC],
        ),
    ],
)
def test_tells_everything_wrong_with_a_path(path: str, problems: list[Problem]) -> None:
    assert [problem.problem for problem in check_paths([path])] == problems


def test_tells_paths_that_come_twice_also_in_another_normal_form() -> None:
    problems = check_paths(["é", "b", "é", "e\u0301"])
    assert [(p.problem, p.raw.decode()) for p in problems] == [
        (Problem.DUPLICATE, "é"),
        (Problem.NOT_NFC, "e\u0301"),
        (Problem.DUPLICATE, "e\u0301"),
    ]


@pytest.mark.parametrize(
    ("raw", "proposal"),
    [
        ("隐蔽工程验收记录.pdf".encode("gbk"), "隐蔽工程验收记录.pdf"),
        ("㐀.txt".encode("gb18030"), "㐀.txt"),
        ("cafe\u0301.txt".encode(), "café.txt"),
        (b"a\\b\x01.txt", "a_b_.txt"),
        (b"\xff\xfe.txt", "__.txt"),
        (b"..", "__"),
        (b"", "_"),
    ],
)
def test_proposes_a_safe_name(raw: bytes, proposal: str) -> None:
    assert propose_name(raw) == proposal


def test_proposes_a_name_that_is_free() -> None:
    assert propose_name("é.tar.gz".encode(), taken={"é.tar.gz", "é.tar (2).gz"}) == "é.tar (3).gz"
    assert propose_name(b".hidden", taken={".hidden"}) == ".hidden (2)"


@given(st.binary(max_size=40), st.sets(st.text(max_size=3)))
def test_a_proposal_is_always_safe(raw: bytes, taken: set[str]) -> None:
    name = propose_name(raw, taken=taken)
    assert check_name(name) == []
    assert name not in taken
    assert document_path(name, "name") == name


def test_the_error_names_every_problem_up_to_a_page() -> None:
    problems = [PathProblem(Problem.NOT_UTF8, b"\xb2\xbb%d" % n, f"不{n}") for n in range(25)]
    error = UnsafePathsError(problems, where="folder")
    assert error.code == "unsafe_paths"
    assert len(error.problems) == 25
    assert "\\xb2\\xbb0: has a name that is not UTF-8" in str(error)
    assert "proposed: 不0" in str(error)
    assert str(error).endswith("and 5 more")
    assert problems[0].to_json() == {
        "problem": "not_utf8",
        "path": "\\xb2\\xbb0",
        "raw": "b2bb30",
        "proposal": "不0",
        "detail": None,
        "zh": Problem.NOT_UTF8.zh,
        "en": Problem.NOT_UTF8.en,
    }


def test_every_problem_has_words_in_both_languages() -> None:
    assert all(problem.zh and problem.en for problem in Problem)
