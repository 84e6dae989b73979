"""Counts what became of orders, for whoever watches the sale. Pure."""

from collections import Counter
from collections.abc import Awaitable

from commerce.errors import CommerceError
from commerce.receipt import OrderView


class OrderTally:
    """`counted` holds how often an act came to a result: the order's new state, or the error's code.

    `given_up` is a caller that went away, `failed` anything that is not one of ours. Acts and results are few.
    """

    def __init__(self) -> None:
        self.counted: Counter[tuple[str, str]] = Counter()

    async def of(self, act: str, work: Awaitable[OrderView]) -> OrderView:
        """Do the work and count how it ended; what it raises goes on."""
        result = "given_up"
        try:
            view = await work
            result = view.state
        except CommerceError as error:
            result = error.code
            raise
        except Exception:
            result = "failed"
            raise
        finally:
            self.counted[act, result] += 1
        return view
