"""TURN and STUN servers for clients: `Link` headers (RFC 9725 §4.6) with credentials that end by themselves. Pure.

The credentials are those that coturn knows as `use-auth-secret` ("A REST API for access to TURN services",
draft-uberti-behave-turn-rest-00 §2.2): the user name holds the time of its end, the password proves that we named it.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass

RELATION = 'rel="ice-server"'


@dataclass(frozen=True, slots=True)
class IceServers:
    """What is handed out; the secret is shared with the TURN servers and never leaves the two."""

    urls: tuple[str, ...] = ()
    secret: str = ""
    ttl_s: int = 14_400

    def links(self, subject: str, now_s: float) -> list[str]:
        """One `Link` value a server, with `subject`'s own credentials where it is a TURN server."""
        username, credential = rest_credentials(self.secret, subject, int(now_s) + self.ttl_s)
        parameters = f'{RELATION}; username="{username}"; credential="{credential}"; credential-type="password"'
        return [
            f"<{url}>; {parameters if url.startswith(('turn:', 'turns:')) else RELATION}" for url in self.urls
        ]  # fmt: skip


def rest_credentials(secret: str, subject: str, expires_at_s: int) -> tuple[str, str]:
    """Give (user name, password) that a TURN server with this secret takes until `expires_at_s` (Unix seconds)."""
    username = f"{expires_at_s}:{subject}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()
