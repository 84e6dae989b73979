"""The numbers of the sale that a deployment sets; the composition root fills them in. Pure."""

from dataclasses import dataclass, field
from datetime import timedelta

from commerce.evidence import RetentionRules
from commerce.questionnaire import AssessmentRules
from commerce.suitability import SuitabilityRules


@dataclass(frozen=True, slots=True)
class CommerceSettings:
    """Every number has its unit in its name; defaults are domain.md's."""

    reservation_ttl_s: int = 240
    minimum_dwell_ms: int = 3_000
    acknowledgement_ttl_s: int = 86_400
    cancel_closes_before_s: int = 0  # an accepted order can be cancelled until this long before its window closes
    daily_tip_cap_points: int = 1_000
    quota_granularity_minor: int = 10_000
    duplicate_wait_s: float = 2.0  # how long a repeat waits for its first attempt before `in_progress`
    acquire_timeout_s: float = 2.0  # how long to wait for a database connection before `busy`
    operation_timeout_s: float = 5.0  # how long one unit of work may take in all before `busy`
    order_group_most: int = 512  # reservations in one transaction
    order_queue_limit: int = 8_192  # waiting in this process for one product; more hear `busy`
    order_queue_wait_s: float = 5.0  # a reservation that waited longer is refused `busy` rather than begun
    idempotency_kept_days: int = 30  # after which a key may be used anew
    core_timeout_s: float = 5.0  # how long the core may take to answer before the outcome counts as unknown
    resolve_after_s: int = 10  # a submission without outcome is asked about again this long after its last move
    void_after_s: int = 120  # one that the core has never heard of is given up this long after its last move
    reauthentication_within_s: int | None = None  # submitting asks for a proof of identity this young; None: for none
    retention: RetentionRules = field(default_factory=RetentionRules)
    assessments: AssessmentRules = field(default_factory=AssessmentRules)
    suitability: SuitabilityRules = field(default_factory=SuitabilityRules)

    @property
    def reservation_ttl(self) -> timedelta:
        return timedelta(seconds=self.reservation_ttl_s)

    @property
    def cancel_closes_before(self) -> timedelta:
        return timedelta(seconds=self.cancel_closes_before_s)

    @property
    def acknowledgement_ttl(self) -> timedelta:
        return timedelta(seconds=self.acknowledgement_ttl_s)
