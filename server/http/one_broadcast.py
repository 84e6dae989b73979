"""Finds the broadcast that a path names, as far as the one who asks may see it."""

from aiohttp import web

from server.auth.principal import Principal
from server.broadcasting import Broadcasting
from server.http.errors import ApiError
from server.http.query import path_id
from streaming.broadcast import Broadcast


async def read_broadcast(request: web.Request, broadcasting: Broadcasting, who: Principal) -> Broadcast:
    """Read it; raises ApiError 404 `no_such_broadcast` where there is none, or none for this person."""
    try:
        return await broadcasting.read(who, path_id(request, "broadcast_id", "bc", "no_such_broadcast"))
    except LookupError:
        raise ApiError(404, "no_such_broadcast", "there is no such broadcast") from None


def require_own_of_host(broadcast: Broadcast, who: Principal) -> None:
    """Raise ApiError 403 `forbidden` for a host whose broadcast it is not; other staff pass."""
    if who.role == "host" and who.account_id != broadcast.host.account_id:
        raise ApiError(403, "forbidden", "this is another host's broadcast")
