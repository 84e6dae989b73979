"""Calendar arithmetic by months. Pure."""

from datetime import date
from typing import TypeVar

D = TypeVar("D", bound=date)  # a date or a datetime


def months_later(moment: D, months: int) -> D:
    """The same day of a later month, or that month's last day where it is shorter; a datetime keeps its time."""
    ahead = moment.month - 1 + months
    year, month = moment.year + ahead // 12, ahead % 12 + 1
    for day in range(moment.day, 27, -1):
        try:
            return moment.replace(year=year, month=month, day=day)
        except ValueError:  # this month is shorter
            continue
    return moment.replace(year=year, month=month)
