"""What each role may do: one table. Pure but for `require`, which reads the request's principal."""

from aiohttp import web

from server.auth.principal import ROLES, STAFF, Principal
from server.http.errors import ApiError

PRINCIPAL = web.RequestKey("principal", Principal)  # set by the middleware when a good bearer was sent

_ALL = frozenset(ROLES)
_VIEWER = frozenset({"viewer"})
_HOST = frozenset({"host"})
_MONITOR = frozenset({"monitor"})
_CHECKER = frozenset({"checker"})
_STAFF = STAFF

# The rows name who may try; who exactly (the maker, the owner, the assigned monitor) is the resource's own rule.
PERMISSIONS: dict[str, frozenset[str]] = {
    "account.read": _ALL,
    "broadcast.list": _ALL,
    "broadcast.read": _ALL,
    "broadcast.create": _HOST,
    "broadcast.edit": _HOST,
    "broadcast.move": _HOST | _MONITOR | _CHECKER,
    "broadcast.readiness": _HOST | _MONITOR,
    "encoder_token.issue": _HOST,
    "encoder_token.revoke": _HOST,
    "media.publish": _HOST,
    "media.view": _ALL,
    "product.read": _ALL,
    "product.make": _HOST,
    "product.check": _CHECKER,
    "product.withdraw": _HOST | _CHECKER,
    "document.read": _ALL,
    "shelf.read": _ALL,
    "card.read": _ALL,
    "card.feature": _HOST,
    "card.pull": _HOST | _MONITOR,
    "assessment.take": _VIEWER,
    "gate.read": _VIEWER,
    "acknowledgement.create": _VIEWER,
    "order.create": _VIEWER,
    "order.submit": _VIEWER,
    "order.cancel": _VIEWER,
    "order.read": _VIEWER,
    "tip.refund": _MONITOR,
    "points.read": _VIEWER,
    "figures.read": _STAFF,
    "moderation.read": _MONITOR | _HOST,
    "talk.read": _ALL,
    "report.read": _HOST | _MONITOR | _CHECKER,
}


# What nobody does before the bank has verified their real name.
_REAL_NAME = frozenset({"assessment.take", "acknowledgement.create", "order.create", "order.submit"})


def allowed(role: str, permission: str) -> bool:
    """Say whether the role may try this; an unknown permission is a programming error and raises KeyError."""
    return role in PERMISSIONS[permission]


def require(request: web.Request, permission: str) -> Principal:
    """Return who asks, or raise ApiError 401 `unauthenticated` or 403 `forbidden`, `real_name_missing`."""
    principal: Principal | None = request.get(PRINCIPAL)
    if principal is None:
        raise ApiError(401, "unauthenticated", "send a session's token as 'Authorization: Bearer …'")
    if not allowed(principal.role, permission):
        raise ApiError(403, "forbidden", f"the role '{principal.role}' may not do this ({permission})")
    if not principal.verified and permission in _REAL_NAME:
        raise ApiError(403, "real_name_missing", "the bank has not verified your real name: you may watch, not buy")
    return principal
