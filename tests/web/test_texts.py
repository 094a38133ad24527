"""The catalogue: both languages complete, nothing missing, nothing left over."""

from __future__ import annotations

import re
from importlib import resources
from string import Formatter

import pytest

from archive_api.submissions.models import SubmissionState
from archive_api.web.texts import LANGUAGES, Texts, load_catalogue
from ledger.reasons import REASONS
from ledger.report import AnchorLevel
from ledger.types import Role
from ledger.verify import STEP_NAMES

TEMPLATES = resources.files("archive_api.web").joinpath("templates")
STATIC_CALL = re.compile(r"""\bt\(\s*'([^']+)'\s*[,)]""")
DYNAMIC_CALL = re.compile(r"""\bt\(\s*'([^']+\.)'\s*~""")
GROUP_CALL = re.compile(r"""\bt_(?:code|known)\(\s*'([^']+)'""")


def _templates() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in TEMPLATES.iterdir())


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_text_is_there_in_both_languages() -> None:
    for key, texts in load_catalogue().items():
        assert set(texts) == set(LANGUAGES), key
        assert all(texts.values()), key


def test_both_languages_have_the_same_placeholders() -> None:
    for key, texts in load_catalogue().items():
        assert _placeholders(texts["zh"]) == _placeholders(texts["en"]), key


def test_every_key_of_the_templates_is_in_the_catalogue() -> None:
    used = set(STATIC_CALL.findall(_templates()))
    assert len(used) > 80
    assert used <= set(load_catalogue())


def test_no_text_is_left_over() -> None:
    source = _templates()
    router = resources.files("archive_api.web").joinpath("router.py").read_text(encoding="utf-8")
    presenting = resources.files("archive_api.web").joinpath("presenting.py").read_text(encoding="utf-8")
    groups = {
        *GROUP_CALL.findall(source),
        *(prefix[:-1] for prefix in DYNAMIC_CALL.findall(source)),
        "verify.error",
        "finding",
    }
    groups |= set(re.findall(r"""\bcode\("([a-z_]+)",""", presenting))
    static = set(STATIC_CALL.findall(source)) | set(re.findall(r'"([a-z_.]+)"', router))
    for key in load_catalogue():
        assert key in static or any(key.startswith(f"{group}.") for group in groups), key


def test_english_texts_are_english_and_chinese_ones_chinese() -> None:
    chinese = re.compile(r"[\u4e00-\u9fff]")
    for key, texts in load_catalogue().items():
        assert key == "switch.label" or not chinese.search(texts["en"]), key
    prose = [texts["zh"] for texts in load_catalogue().values() if len(texts["en"].split()) > 3]
    assert all(chinese.search(text) for text in prose)


@pytest.mark.parametrize("role", list(Role))
def test_every_role_has_its_term_of_the_glossary(role: Role) -> None:
    assert Texts("zh").code("role", role.value) == role.zh


@pytest.mark.parametrize("name", STEP_NAMES)
def test_every_step_of_the_verifier_has_a_name(name: str) -> None:
    assert Texts("zh").known("step", name)


@pytest.mark.parametrize("level", list(AnchorLevel))
def test_every_anchor_level_is_explained(level: AnchorLevel) -> None:
    assert Texts("zh").known("level", level.label)
    assert Texts("en").known("level_hint", level.label)


@pytest.mark.parametrize("state", list(SubmissionState))
def test_every_state_is_explained(state: SubmissionState) -> None:
    assert Texts("zh").known("state", state.value)
    assert Texts("en").known("state_hint", state.value)


def test_every_own_wording_is_of_a_reason_of_the_verifier() -> None:
    own = {key.removeprefix("finding.") for key in load_catalogue() if key.startswith("finding.")}
    assert own <= {*REASONS, "not_archived"}


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert Texts("zh").code("state", "never_heard_of") == "never heard of"


def test_refuses_an_unknown_key() -> None:
    with pytest.raises(KeyError):
        Texts("en")("no.such.text")
