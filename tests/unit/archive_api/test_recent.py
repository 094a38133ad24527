"""What was computed last, within a room."""

from __future__ import annotations

from archive_api.recent import Recent


def test_lets_go_of_what_was_used_longest_ago() -> None:
    recent = Recent[str](room=10)
    for name in "abc":
        recent.keep(name, name.upper(), weight=4)
    assert [recent.find(name) for name in "abc"] == [None, "B", "C"]
    assert recent.find("b") == "B"
    recent.keep("d", "D", weight=4)
    assert [recent.find(name) for name in "bcd"] == ["B", None, "D"]


def test_keeps_one_value_however_large() -> None:
    recent = Recent[str](room=10)
    recent.keep("a", "A", weight=3)
    recent.keep("b", "B", weight=1_000)
    assert [recent.find(name) for name in "ab"] == [None, "B"]
    recent.keep("c", "C", weight=10)
    assert [recent.find(name) for name in "bc"] == [None, "C"]


def test_a_value_counts_once_and_the_first_stays() -> None:
    recent = Recent[str](room=10)
    for value in ("A", "another"):
        recent.keep("a", value, weight=9)
    recent.keep("b", "B", weight=1)
    assert [recent.find(name) for name in "ab"] == ["A", "B"]
