"""The working-day calendar and what T+1 means by it. Pure, but for the table of holidays that comes with a library.

China's calendar is the State Council's yearly order, with days off and weekends that are worked for them; the library
`chinesecalendar` carries it year by year and refuses years that it does not know.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

_LONGEST_BREAK_DAYS = 30
_SATURDAY = 5


class CalendarEndedError(Exception):
    """The calendar does not reach this day: bring the library up to date, or give the program another calendar."""


class WorkingDays(Protocol):
    """Says which days are worked; raises CalendarEndedError for a day that it knows nothing of, never guesses."""

    def is_working(self, day: date) -> bool: ...


class ChinaWorkingDays:
    """Mainland China's, worked weekends included."""

    def is_working(self, day: date) -> bool:
        """As the port says."""
        import chinese_calendar  # only a process that confirms orders pays for its tables

        try:
            return bool(chinese_calendar.is_workday(day))
        except NotImplementedError as error:
            raise CalendarEndedError(f"{day}: {error}") from None


@dataclass(frozen=True, slots=True)
class ListedWorkingDays:
    """A calendar by its exceptions: weekends are off but for those `worked`, other days work but for `days_off`.

    Raises ValueError for a list that contradicts itself.
    """

    first: date
    last: date
    days_off: frozenset[date]
    worked: frozenset[date]

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError("last: before first")
        if both := sorted(self.days_off & self.worked):
            raise ValueError(f"{both[0]}: off and worked")
        if outside := [day for day in sorted(self.days_off | self.worked) if not self.first <= day <= self.last]:
            raise ValueError(f"{outside[0]}: not between first and last")

    def is_working(self, day: date) -> bool:
        """As the port says."""
        if not self.first <= day <= self.last:
            raise CalendarEndedError(f"{day}: the calendar goes from {self.first} to {self.last}")
        return day in self.worked or (day.weekday() < _SATURDAY and day not in self.days_off)


def next_working(day: date, calendar: WorkingDays) -> date:
    """The first working day after this one."""
    for ahead in range(1, _LONGEST_BREAK_DAYS):
        if calendar.is_working(candidate := day + timedelta(days=ahead)):
            return candidate
    raise CalendarEndedError(f"no working day within {_LONGEST_BREAK_DAYS} days of {day}")


def confirmation_day(accepted: date, calendar: WorkingDays) -> date:
    """T+1: T is the day of acceptance or, where that is not worked, the next that is."""
    trade_day = accepted if calendar.is_working(accepted) else next_working(accepted, calendar)
    return next_working(trade_day, calendar)


def confirmable_until(today: date, calendar: WorkingDays) -> date:
    """The latest day of acceptance whose T+1 has come by today."""
    for back in range(1, 2 * _LONGEST_BREAK_DAYS):
        accepted = today - timedelta(days=back)
        if confirmation_day(accepted, calendar) <= today:
            return accepted
    raise CalendarEndedError(f"no working day before {today}")
