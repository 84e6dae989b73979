"""The risk questionnaire: what is asked, and how answers become a level. Pure.

Source of the limits: 《金融机构产品适当性管理办法》 (NFRA order 2025 no. 7, Art. 29, seen as secondary text): at most
two assessments a day and eight a year, counted here over twelve months; each holds for 12 months.
"""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Literal

import msgspec

from commerce.dates import months_later
from commerce.errors import Conflict, Invalid

Level = Literal["C1", "C2", "C3", "C4", "C5"]
LEVELS: tuple[Level, ...] = ("C1", "C2", "C3", "C4", "C5")


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text in both languages."""

    zh: str
    en: str


class Option(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answer; `most` is the highest level that a customer who gives it can have, whatever the points."""

    id: str
    text: Words
    points: int
    most: Level | None = None


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    text: Words
    options: tuple[Option, ...]


class Questionnaire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version of the questions with their scoring; `levels` gives the lowest total of points for each level."""

    version: str
    title: Words
    levels: dict[Level, int]
    questions: tuple[Question, ...]


class AskedOption(msgspec.Struct):
    """An answer as it is offered: without its points."""

    id: str
    text: Words


class AskedQuestion(msgspec.Struct):
    """A question as it is asked."""

    id: str
    text: Words
    options: list[AskedOption]


class AskedQuestionnaire(msgspec.Struct):
    """The questionnaire as a customer sees it: without points, vetoes and levels."""

    version: str
    title: Words
    questions: list[AskedQuestion]


class Score(msgspec.Struct, frozen=True):
    """What answers come to; `vetoes` are the questions whose answer capped the level."""

    points: int
    level: int
    vetoes: tuple[str, ...]


class AssessmentRules(msgspec.Struct, frozen=True):
    """How often a customer may be assessed, by business dates."""

    a_day: int = 2
    a_year: int = 8


def read_questionnaire(text: str) -> Questionnaire:
    """Read one from TOML; raises ValueError that says what is wrong with it."""
    try:
        questionnaire = msgspec.convert(tomllib.loads(text), Questionnaire)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from None
    for holds, complaint in _rules(questionnaire):
        if not holds:
            raise ValueError(complaint)
    return questionnaire


def _rules(given: Questionnaire) -> list[tuple[bool, str]]:
    bounds = [given.levels.get(level, -1) for level in LEVELS]
    ids = [question.id for question in given.questions]
    options = [[option.id for option in question.options] for question in given.questions]
    return [
        (bool(given.version.strip()), "version: empty"),
        (len(given.levels) == len(LEVELS), "levels: each of C1 to C5 needs its lowest total"),
        (bounds == sorted(set(bounds)), "levels: totals must rise from C1 to C5"),
        (len(ids) > 0 and len(ids) == len(set(ids)), "questions: none, or two with the same id"),
        (all(len(these) >= 2 for these in options), "questions: each needs two options"),
        (all(len(these) == len(set(these)) for these in options), "options: two with the same id"),
        (all(option.points >= 0 for question in given.questions for option in question.options), "points: negative"),
        (bounds[0] == 0, "levels: C1 begins at 0"),
    ]


def score(questionnaire: Questionnaire, answers: Mapping[str, str]) -> Score:
    """Add up the points and find the level; raises Invalid `bad_answers` unless every question has one known answer."""
    unknown = sorted(set(answers) - {question.id for question in questionnaire.questions})
    chosen = [(question, _option(question, answers.get(question.id))) for question in questionnaire.questions]
    missing = [question.id for question, option in chosen if option is None]
    if missing or unknown:
        raise Invalid("bad_answers", "answer every question with one of its options", questions=missing + unknown)
    points = sum(option.points for _, option in chosen if option is not None)
    level = max(number for number, name in enumerate(LEVELS, 1) if points >= questionnaire.levels[name])
    caps = {
        question.id: LEVELS.index(option.most) + 1
        for question, option in chosen
        if option is not None and option.most is not None
    }
    vetoes = tuple(question_id for question_id, cap in caps.items() if cap < level)
    return Score(points, min([level, *caps.values()]), vetoes)


def _option(question: Question, answer: str | None) -> Option | None:
    return next((option for option in question.options if option.id == answer), None)


def require_version(questionnaire: Questionnaire, version: str) -> None:
    """Raise Conflict `questionnaire_stale` when other questions were answered than those asked now."""
    if version != questionnaire.version:
        raise Conflict("questionnaire_stale", "there are new questions: read and answer those")


def assessments_left(taken: Sequence[date], today: date, rules: AssessmentRules) -> tuple[int, int]:
    """Say how many more are possible today, and in the twelve months that end today; `taken` are business dates."""
    year_began = months_later(today, -12)
    in_year = rules.a_year - sum(1 for day in taken if year_began < day <= today)
    return max(0, min(rules.a_day - taken.count(today), in_year)), max(0, in_year)


def limit_conflict(taken: Sequence[date], today: date, rules: AssessmentRules) -> Conflict | None:
    """Say whether one more assessment would be too many."""
    left_today, left_in_year = assessments_left(taken, today, rules)
    if left_in_year == 0:
        return Conflict("assessment_limit", f"at most {rules.a_year} assessments in twelve months", per="year")
    if left_today == 0:
        return Conflict("assessment_limit", f"at most {rules.a_day} assessments a day: come back tomorrow", per="day")
    return None


def needs_confirmation(previous: int | None, level: int) -> bool:
    """Say whether the customer has to agree, as they have to a level that differs from the one on record."""
    return previous is not None and previous != level


def binds_at_once(previous: int | None, level: int) -> bool:
    """Say whether a level is bought by from now on, agreed to or not: whatever allows no more than the one on record.

    What was found protects at once; what it would open waits for the customer's yes.
    """
    return previous is None or level <= previous
