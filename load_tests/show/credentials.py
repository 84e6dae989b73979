"""Who plays in the show: reads the credentials file. I/O: one file, once.

The file is a JSON object; passwords stand in no argument list:
`{"host": {"login", "password"}, "monitor": {…}, "monitors": {"bc_…": {…}}, "viewers": [{…}, …],
"product_id": "pr_…"}`. `monitors` names who watches over a broadcast of `--monitor-for` (left out: the
`monitor`); `product_id` is what the host features (left out: no card, no purchases).
"""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from load_tests.http_client import SignIn


class CredentialsError(Exception):
    """The file cannot be read or lacks something; the message says what."""


@dataclass(frozen=True)
class Credentials:
    """The parts and who plays them."""

    host: SignIn
    monitor: SignIn
    monitors: dict[str, SignIn] = field(default_factory=dict)
    viewers: list[SignIn] = field(default_factory=list)
    product_id: str | None = None

    def monitor_of(self, broadcast_id: str) -> SignIn:
        """Return who watches over a broadcast."""
        return self.monitors.get(broadcast_id, self.monitor)


def read_credentials(path: Path) -> Credentials:
    """Read the file; unknown members are ignored. Raises CredentialsError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    except OSError as error:
        raise CredentialsError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise CredentialsError(f"{path}: {error}") from error
