"""How much a simulated buyer buys. Pure."""

from typing import Any, Final

_SHARES_A_QUOTA: Final = 1_000


def amount_minor(card: dict[str, Any], shares: int, available_minor: int) -> int | None:
    """Return an amount of about `shares` thousandths of the whole quota, in minor units.

    It keeps to the card's minimum, increment and customer maximum; None if the customer cannot afford it.
    """
    minimum, increment = int(card["minimum_minor"]), int(card["increment_minor"])
    most = min(int(card["customer_maximum_minor"]), available_minor)
    wanted = min(int(card["quota_total_minor"]) * shares // _SHARES_A_QUOTA, most)
    if most < minimum:
        return None
    return minimum + max(0, wanted - minimum) // increment * increment
