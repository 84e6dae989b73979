"""Everything commerce refuses, each with a stable machine code. Pure."""

from collections.abc import Sequence
from typing import Any

# Final answers to a customer who wanted to buy: kept under the idempotency key and repeated.
_REFUSALS = """
    not_assessed assessment_expired risk_mismatch senior_wait minor unaffordable window_closed bad_amount
    below_minimum bad_increment over_limit quota_empty reservation_expired insufficient_funds card_pulled
    card_version_stale disclosure_missing tips_off daily_cap insufficient_points"""
REFUSAL_CODES = frozenset(_REFUSALS.split())


class CommerceError(Exception):
    """The base: `code` is stable, `detail` is for people and may change, `extra` goes along with the answer."""

    def __init__(self, code: str, detail: str, *, retry_after_s: float | None = None, **extra: Any) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.extra = extra


class Refusal(CommerceError):
    """A rule of the sale said no. Final: the same key will hear it again."""

    def __init__(self, code: str, detail: str, **extra: Any) -> None:
        assert code in REFUSAL_CODES, code
        super().__init__(code, detail, **extra)


class IllegalMove(CommerceError):
    """The thing is in a state that does not allow this; `extra` holds `state` and `allowed`."""

    def __init__(self, state: str, allowed: Sequence[str], detail: str) -> None:
        super().__init__("illegal_move", detail, state=state, allowed=list(allowed))


class NotFound(CommerceError):
    """It does not exist, or not for the one who asks (`no_such_order`, `no_such_product`, …)."""


class Forbidden(CommerceError):
    """It exists, and this person may not do that to it."""


class Invalid(CommerceError):
    """What was handed in cannot be stored (`bad_product`)."""


class Conflict(CommerceError):
    """It contradicts what is stored (`idempotency_conflict`, `product_not_approved`, …)."""


class Unavailable(CommerceError):
    """Not now, ask again: `busy`, `in_progress`, `monitor_absent`, `recording_unavailable`. Never final."""


class RecordUnreadable(Unavailable):
    """What is sealed of a customer does not open: a key is missing, or the row is damaged. Nobody else is concerned."""

    def __init__(self) -> None:
        super().__init__("unavailable", "your record cannot be read now", retry_after_s=60)
