"""A deployment's own working-day calendar, from a TOML file. Reads files.

first = 2027-01-01
last = 2027-12-31            # beyond it nothing is confirmed until the file goes on
days_off = [2027-01-01]      # weekdays that are not worked; weekends need not stand here
worked = [2027-02-14]        # weekend days that are
"""

import tomllib
from datetime import date
from pathlib import Path

import msgspec

from commerce.working_days import ListedWorkingDays


class _Calendar(msgspec.Struct, forbid_unknown_fields=True):
    first: date
    last: date
    days_off: frozenset[date] = frozenset()
    worked: frozenset[date] = frozenset()


def load_working_days(path: Path) -> ListedWorkingDays:
    """Read it; raises OSError or ValueError for a file that cannot be used."""
    try:
        given = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _Calendar)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(str(error)) from None
    return ListedWorkingDays(given.first, given.last, given.days_off, given.worked)
