"""T+1 by China's calendar: weekends, worked Saturdays, long holidays, and a loud end."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from commerce.working_days import (
    CalendarEndedError,
    ChinaWorkingDays,
    ListedWorkingDays,
    confirmable_until,
    confirmation_day,
    next_working,
)
from commerce.working_days_file import load_working_days

CHINA = ChinaWorkingDays()


@pytest.mark.parametrize(
    ("accepted", "confirmed"),
    [
        (date(2026, 11, 23), date(2026, 11, 24)),  # Monday
        (date(2026, 11, 27), date(2026, 11, 30)),  # Friday, over a weekend
        (date(2026, 11, 28), date(2026, 12, 1)),  # Saturday counts as the Monday after
        (date(2026, 9, 30), date(2026, 10, 8)),  # before the National Day week
        (date(2026, 10, 3), date(2026, 10, 9)),  # within it: T is 8 October
        (date(2026, 10, 9), date(2026, 10, 10)),  # a Friday before a Saturday that is worked
    ],
)
def test_an_order_is_confirmed_on_the_working_day_after_its_trade_day(accepted: date, confirmed: date) -> None:
    assert confirmation_day(accepted, CHINA) == confirmed


def test_what_can_be_confirmed_by_a_day_is_exactly_what_has_its_day_by_then() -> None:
    for n in range(300):
        today = date(2026, 1, 20) + timedelta(days=n)
        last = confirmable_until(today, CHINA)
        assert confirmation_day(last, CHINA) <= today < confirmation_day(last + timedelta(days=1), CHINA)


def test_beyond_its_years_the_calendar_says_so_instead_of_guessing() -> None:
    with pytest.raises(CalendarEndedError, match="2099"):
        CHINA.is_working(date(2099, 1, 5))
    with pytest.raises(CalendarEndedError):
        next_working(date(2003, 1, 1), CHINA)


FILE = """first = 2026-11-01
last = 2026-12-31
days_off = [2026-11-24]
worked = [2026-11-28]
"""


def test_a_calendar_of_ones_own_is_read_from_a_file_and_ends_where_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "days.toml"
    path.write_text(FILE)
    calendar = load_working_days(path)
    assert confirmation_day(date(2026, 11, 23), calendar) == date(2026, 11, 25), "the Tuesday is off"
    assert confirmation_day(date(2026, 11, 27), calendar) == date(2026, 11, 28), "the Saturday is worked"
    with pytest.raises(CalendarEndedError, match="2027-01-01"):
        next_working(date(2026, 12, 31), calendar)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("first = 2026-11-01", "last"),
        (FILE.replace("2026-11-01", "2027-01-01"), "before first"),
        (FILE.replace("2026-11-28", "2026-11-24"), "off and worked"),
        (FILE.replace("[2026-11-24]", "[2027-11-24]"), "not between"),
        (FILE + "weekend = 1", "weekend"),
        ("first = ", "Invalid"),
    ],
)
def test_a_calendar_that_contradicts_itself_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "days.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        load_working_days(path)


def test_a_calendar_of_every_day_is_the_weeks_own() -> None:
    plain = ListedWorkingDays(date(2026, 1, 1), date(2026, 12, 31), frozenset(), frozenset())
    assert [plain.is_working(date(2026, 11, day)) for day in range(23, 30)] == [True] * 5 + [False] * 2
