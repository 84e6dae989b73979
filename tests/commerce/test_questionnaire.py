"""Answers become a level, vetoes cap it, and limits are counted by business dates."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce.errors import CommerceError
from commerce.questionnaire import (
    LEVELS,
    AssessmentRules,
    assessments_left,
    binds_at_once,
    limit_conflict,
    needs_confirmation,
    read_questionnaire,
    require_version,
    score,
)
from commerce.questionnaire_file import load_questionnaire

SHIPPED = load_questionnaire(None)
TODAY = date(2026, 11, 24)
RULES = AssessmentRules()
BOLD = {"horizon": "d", "loss": "d", "aim": "d", "experience": "d", "products": "d", "income": "d", "share": "a",
        "source": "d", "debt": "a", "fall": "d"}  # fmt: skip


def test_the_shipped_questionnaire_asks_ten_questions_in_two_languages() -> None:
    assert len(SHIPPED.questions) == 10
    assert all(words.zh and words.en for q in SHIPPED.questions for words in (q.text, *(o.text for o in q.options)))


# Every option that is not the boldest, by the level that it leads to when all other answers are the boldest.
@pytest.mark.parametrize(
    ("answers", "level", "vetoes"),
    [
        ({}, 5, ()),
        ({"loss": "a"}, 1, ("loss",)),
        ({"horizon": "a"}, 1, ("horizon",)),
        ({"loss": "b"}, 3, ("loss",)),
        ({"source": "a"}, 2, ("source",)),
        ({"debt": "d"}, 2, ("debt",)),
        ({"loss": "b", "debt": "d"}, 2, ("loss", "debt")),
        ({"aim": "a"}, 5, ()),
        ({"aim": "a", "fall": "a"}, 5, ()),
        ({"aim": "a", "fall": "a", "income": "b"}, 4, ()),
        (dict.fromkeys(("aim", "experience", "products", "income", "fall"), "a"), 3, ()),
        (dict.fromkeys(("aim", "experience", "products", "income", "fall"), "a") | {"share": "d", "debt": "c"}, 2, ()),
    ],
)
def test_points_make_the_level_and_a_veto_caps_it(answers: dict[str, str], level: int, vetoes: tuple[str, ...]) -> None:
    found = score(SHIPPED, BOLD | answers)
    assert (found.level, found.vetoes) == (level, vetoes)


@given(st.fixed_dictionaries({q.id: st.sampled_from([o.id for o in q.options]) for q in SHIPPED.questions}))
def test_no_answer_raises_the_level_beyond_a_veto(answers: dict[str, str]) -> None:
    found = score(SHIPPED, answers)
    caps = [o.most for q in SHIPPED.questions for o in q.options if answers[q.id] == o.id and o.most]
    assert all(found.level <= LEVELS.index(cap) + 1 for cap in caps)
    assert found.points >= SHIPPED.levels[LEVELS[found.level - 1]]


@pytest.mark.parametrize(
    "answers", [{}, BOLD | {"loss": "z"}, BOLD | {"more": "a"}, {name: a for name, a in BOLD.items() if name != "aim"}]
)
def test_a_question_left_out_or_an_unknown_answer_is_refused(answers: dict[str, str]) -> None:
    with pytest.raises(CommerceError, match="bad_answers"):
        score(SHIPPED, answers)


def test_answers_to_other_questions_are_refused() -> None:
    with pytest.raises(CommerceError, match="questionnaire_stale"):
        require_version(SHIPPED, "2019-1")


@pytest.mark.parametrize(
    ("days_ago", "left"),
    [
        ([], (2, 8)),
        ([0], (1, 7)),
        ([0, 0], (0, 6)),
        ([1, 1], (2, 6)),
        ([30] * 7, (1, 1)),
        ([30] * 8, (0, 0)),
        ([364] * 8, (0, 0)),
        ([365] * 8, (2, 8)),
    ],
)
def test_two_a_day_and_eight_in_twelve_months(days_ago: list[int], left: tuple[int, int]) -> None:
    taken = [TODAY - timedelta(days=days) for days in days_ago]
    assert assessments_left(taken, TODAY, RULES) == left
    conflict = limit_conflict(taken, TODAY, RULES)
    assert (conflict is None) == (left[0] > 0)
    if conflict is not None:
        assert conflict.extra["per"] == ("year" if left[1] == 0 else "day")


@pytest.mark.parametrize(
    ("previous", "level", "asked", "binds"),
    [
        (None, 3, False, True), (3, 3, False, True), (3, 2, True, True), (3, 4, True, False), (5, 1, True, True),
        (1, 5, True, False),
    ],
)  # fmt: skip
def test_a_changed_level_is_confirmed_and_only_a_higher_one_waits_for_it(
    previous: int | None, level: int, asked: bool, binds: bool
) -> None:
    assert (needs_confirmation(previous, level), binds_at_once(previous, level)) == (asked, binds)


_ONE = """[[questions]]
id="q"
text={zh="问",en="q"}
options=[{id="a",points=0,text={zh="甲",en="a"}},{id="b",points=9,text={zh="乙",en="b"}}]
"""
_HEAD = 'version="1"\nlevels={C1=0,C2=1,C3=2,C4=3,C5=4}\ntitle={zh="题",en="t"}\n'


def test_a_bank_can_ask_its_own_questions() -> None:
    assert score(read_questionnaire(_HEAD + _ONE), {"q": "b"}).level == 5


@pytest.mark.parametrize(
    "text",
    [
        "= =", "", _HEAD, _HEAD + _ONE + _ONE, _HEAD.replace("C1=0,", "") + _ONE, _HEAD.replace("C5=4", "C5=1") + _ONE,
        _HEAD.replace('"1"', '" "') + _ONE, _HEAD + _ONE.replace("points=9", "points=-9"),
        _HEAD + _ONE.replace('"b",p', '"a",p'), _HEAD + _ONE.replace('zh="问",', ""),
        _HEAD.replace("C1=0", "C1=1") + _ONE,
        _HEAD + _ONE.replace("points=9", 'points=9,most="C9"'), _HEAD + "surprise = 1\n" + _ONE,
    ],
)  # fmt: skip
def test_a_questionnaire_that_cannot_be_used_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_questionnaire(text)
