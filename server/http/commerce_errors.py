"""What commerce's error codes are over HTTP: one table."""

from commerce.errors import CommerceError, Forbidden, Invalid, NotFound, Refusal, Unavailable
from server.http.errors import ApiError

# By code where the code says more than its class; docs/protocol.md has the same list.
STATUS: dict[str, int] = {
    "quota_empty": 409,
    "card_pulled": 409,
    "card_version_stale": 409,
    "recording_unavailable": 409,
    "monitor_absent": 409,
    "idempotency_conflict": 409,
    "in_progress": 409,
    "illegal_move": 409,
    "not_live": 409,
    "not_on_shelf": 409,
    "product_not_approved": 409,
    "currency_taken": 409,
    "quota_below_taken": 409,
    "tips_off": 409,
    "version_stale": 412,
}
_BY_CLASS: tuple[tuple[type[CommerceError], int], ...] = (
    (Refusal, 422),
    (Invalid, 422),
    (NotFound, 404),
    (Forbidden, 403),
    (Unavailable, 503),
    (CommerceError, 409),
)


def commerce_status(error: CommerceError) -> int:
    """Return the HTTP status of one of commerce's errors."""
    if error.code in STATUS:
        return STATUS[error.code]
    return next(status for kind, status in _BY_CLASS if isinstance(error, kind))


def commerce_error(error: Exception) -> ApiError | None:
    """Map commerce's errors to answers; None is for somebody else."""
    if not isinstance(error, CommerceError):
        return None
    return ApiError(commerce_status(error), error.code, error.detail, retry_after_s=error.retry_after_s, **error.extra)
