"""The steps before a customer agrees to anything, and which of them are known to be kept already. Pure."""

from collections import OrderedDict
from collections.abc import Collection
from typing import Literal

from commerce.errors import CommerceError

FunnelStep = Literal["detail", "gate", "mismatch"]
"""`detail`: the sheet was opened; `gate`: nothing stood against buying; `mismatch`: the product does not suit."""
_MOST = 100_000
_Name = tuple[str, str, str, FunnelStep]


def steps_of(refusals: Collection[CommerceError]) -> list[FunnelStep]:
    """What a look at the gate with these refusals comes to."""
    steps: list[FunnelStep] = ["detail"]
    if not refusals:
        steps.append("gate")
    if any(refusal.code == "risk_mismatch" for refusal in refusals):
        steps.append("mismatch")
    return steps


class KnownSteps:
    """Spares a repeat its statement. Overflow policy: *forget the oldest*, which is then written again."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Name, None] = OrderedDict()

    def new(
        self, broadcast_id: str, product_id: str, customer_id: str, steps: Collection[FunnelStep]
    ) -> list[FunnelStep]:
        """Those of the steps that are not known to be kept."""
        return [step for step in steps if (broadcast_id, product_id, customer_id, step) not in self._known]

    def keep(self, broadcast_id: str, product_id: str, customer_id: str, steps: Collection[FunnelStep]) -> None:
        """Learn of steps whose transaction has committed."""
        for step in steps:
            self._known[broadcast_id, product_id, customer_id, step] = None
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
