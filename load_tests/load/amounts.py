"""How much a load run's buyers ask for: mixed amounts, 22 % of which break a rule of the card. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_BELOW: Final = frozenset({3, 19, 32, 46})
_CROOKED: Final = frozenset({9, 23, 37, 49})
_TOO_MUCH: Final = frozenset({14, 28, 41})


def amount_minor(card: Mapping[str, Any], number: int) -> int:
    """Return the n-th order's amount in minor units of the card's currency."""
    minimum, increment = int(card["minimum_minor"]), int(card["increment_minor"])
    kind = number % 50
    if kind in _BELOW:
        return minimum - increment
    if kind in _CROOKED:
        return minimum + 1
    if kind in _TOO_MUCH:
        return int(card["customer_maximum_minor"]) + increment
    return minimum + increment * (number * 7 % 19)
