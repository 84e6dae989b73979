"""What the crowd says is what moderation lets pass, except for the lines that it must stop.

The list is read as data; the crowd's own lines hold no tricks, so plain containment is enough here.
"""

from pathlib import Path

import pytest

from load_tests.show.lines import BLOCKED, COMMENTS, QUESTIONS
from load_tests.show.sections import SECTIONS

PHRASES = Path(__file__).parents[2] / "chat" / "forbidden_phrases.tsv"


def stopping_phrases() -> tuple[list[str], list[str]]:
    """Return the phrases that block or hold, and the exceptions."""
    rows = [line.split("\t") for line in PHRASES.read_text(encoding="utf-8").splitlines()[1:] if line]
    return (
        [phrase for action, phrase, *_ in rows if action in ("block", "hold")],
        [phrase for action, phrase, *_ in rows if action == "allow"],
    )


def is_stopped(text: str) -> bool:
    """Say whether a phrase stands in the text outside every exception."""
    stopping, allowed = stopping_phrases()
    rest = text.lower()
    for phrase in allowed:
        rest = rest.replace(phrase, "")
    return any(phrase in rest for phrase in stopping)


LINES = [line for group in (*COMMENTS.values(), *QUESTIONS.values()) for line in group]


def test_every_section_has_enough_lines_of_its_own() -> None:
    assert set(COMMENTS) == {section.key for section in SECTIONS}
    for section in SECTIONS:
        assert len(COMMENTS[section.key]) * 2_000 >= section.duration_ms - 1_500
    assert len(set(LINES)) == len(LINES)


@pytest.mark.parametrize("text", LINES)
def test_an_ordinary_line_passes(text: str) -> None:
    assert not is_stopped(text)
    assert len(text) <= 200


@pytest.mark.parametrize("text", BLOCKED)
def test_a_forbidden_line_is_stopped(text: str) -> None:
    assert is_stopped(text)
