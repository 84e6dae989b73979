"""The quota of one product: never below nothing taken, never above its total. Pure.

The database keeps the same rule by one conditional UPDATE and a CHECK (`quota_postgres`).
"""

from dataclasses import dataclass, replace

from commerce.errors import Refusal


@dataclass(frozen=True, slots=True)
class Quota:
    """`taken_minor` of `total_minor`, in minor units of the product's currency."""

    total_minor: int
    taken_minor: int = 0

    def __post_init__(self) -> None:
        assert 0 <= self.taken_minor <= self.total_minor, "quota oversold"

    @property
    def left_minor(self) -> int:
        return self.total_minor - self.taken_minor

    def take(self, amount_minor: int) -> "Quota":
        """Hold the amount; raises Refusal `quota_empty` when less is left, and takes nothing then."""
        if amount_minor > self.left_minor:
            raise quota_empty()
        return replace(self, taken_minor=self.taken_minor + amount_minor)

    def give_back(self, amount_minor: int) -> "Quota":
        """Release what an order held; more than is taken is a broken invariant."""
        return replace(self, taken_minor=self.taken_minor - amount_minor)


def coarse_left_minor(left_minor: int, granularity_minor: int) -> int:
    """Round what is left down to the granularity: viewers see no more than that, and never more than there is."""
    return left_minor - left_minor % granularity_minor


def quota_empty() -> Refusal:
    """The refusal of an order that does not fit; smaller ones may still."""
    return Refusal("quota_empty", "the quota left is smaller than this amount")
