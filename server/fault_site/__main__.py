"""`python -m server.fault_site`: an installation that obeys lines of JSON, each answered by one. Does I/O.

Its first line says where it is reached; it ends, and tidies up, when its standard input does.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from server.bench.bank import DATA_KEYS
from server.demo import bank
from server.embedded.process import EmbeddedError
from server.fault_site import crowd, truth
from server.fault_site.disks import NoSmallDisk, SmallDisk
from server.fault_site.stores import Stores
from server.fault_site.supervised import Supervised
from server.migrate import migrate

_FAKETIME = tuple(f"/usr/lib/{machine}-linux-gnu/faketime/libfaketime.so.1" for machine in ("x86_64", "aarch64"))
_RECORDINGS_MIB = 512
_AUDIT_S = 120


class Site:
    """One installation and everything that can be done to it."""

    def __init__(self, folder: Path, given: argparse.Namespace, stack: ExitStack) -> None:
        """Start all of it; `stack` ends it."""
        self.folder = folder
        self.disk = _small_disk(folder, given.disk_mib, stack) if given.disk_mib else None
        self.recordings = _small_disk(folder / "recordings", _RECORDINGS_MIB, stack, or_none=True)
        self.stores = Stores(folder)
        stack.callback(self.stores.close)
        migrate(self.stores.database_url)
        crowd.settle(self.stores.database_url, DATA_KEYS, given.viewers, given.buyers, given.tippers)
        self._clock = folder / "clock"
        extra = self._fake_clock() if given.clock else {}
        self.program = Supervised(folder, self.stores.redis_url, self.stores.database_url, given.workers, extra)
        stack.callback(self.program.close)
        self._given = given

    def _fake_clock(self) -> dict[str, str]:
        library = next((path for path in _FAKETIME if Path(path).exists()), None)
        if library is None:
            raise NoSmallDisk("libfaketime is not installed (Debian: apt install libfaketime)")
        self.jump(0)
        return {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def ready(self) -> dict[str, Any]:
        """Where everything is, and who may come in."""
        given, secret = self._given, self.program.secret
        staff = (bank.HOST, bank.MONITOR, bank.SHOW_HOST, bank.SHOW_MONITOR)
        return {
            "port": self.program.port,
            "sale_id": bank.OWN_ID,
            "show_id": bank.SHOW_ID,
            "product_id": bank.PRODUCT_ID,
            "password": bank.PASSWORD,
            "staff": [one.login for one in staff],
            "viewers": crowd.tokens(secret, "v", given.viewers),
            "buyers": crowd.tokens(secret, "b", given.buyers),
            "tippers": crowd.tokens(secret, "t", given.tippers),
            "recordings_can_be_filled": self.recordings is not None,
        }

    def jump(self, seconds: int) -> None:
        """Set the program's clock so many seconds off the real one."""
        self._clock.write_text(f"{seconds:+d}\n")

    def audit(self) -> dict[str, Any]:
        """`./run audit`, as an operator runs it."""
        environment = {**self.program.environment, "LD_PRELOAD": ""}
        command = [sys.executable, "-m", "server", "audit"]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_AUDIT_S, check=False, cwd=Path.cwd()
        )
        return {"clean": done.returncode == 0, "said": (done.stdout + done.stderr)[-2_000:]}

    def orders(self) -> dict[str, Callable[[dict[str, Any]], Any]]:
        """What each order does."""
        stores, program = self.stores, self.program
        disk, recordings = self.disk, self.recordings
        return {
            "stop": lambda order: stores.stop(order["store"]),
            "kill_store": lambda order: stores.kill(order["store"]),
            "start": lambda order: stores.start(order["store"]),
            "lose_redis_data": lambda order: stores.lose_redis_data(),
            "kill": lambda order: program.kill(order["worker"]),
            "roll": lambda order: {"outcome": program.roll()},
            "workers": lambda order: {"workers": program.workers()},
            "ready": lambda order: dict(zip(("status", "text"), program.ask("/readyz"), strict=True)),
            "metrics": lambda order: {"text": program.ask("/metrics", order["port"])[1]},
            "fill": lambda order: (disk if order["disk"] == "data" else recordings).fill(),  # type: ignore[union-attr]
            "free": lambda order: (disk if order["disk"] == "data" else recordings).free(),  # type: ignore[union-attr]
            "jump": lambda order: self.jump(order["seconds"]),
            "leave_quota": lambda order: crowd.leave_quota(stores.database_url, order["amount_minor"]),
            "compare": lambda order: truth.compare(stores.database_url, order["promised"]),
            "audit": lambda order: self.audit(),
        }


def _small_disk(folder: Path, mebibytes: int, stack: ExitStack, *, or_none: bool = False) -> SmallDisk | None:
    try:
        disk = SmallDisk(folder, mebibytes)
    except NoSmallDisk:
        if or_none:
            return None
        raise
    stack.callback(disk.unmount)
    return disk


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="wcf-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Obey until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--viewers", type=int, required=True)
    parser.add_argument("--buyers", type=int, required=True)
    parser.add_argument("--tippers", type=int, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--disk-mib", type=int, default=0, help="put everything on a disk that can be filled")
    parser.add_argument("--clock", action="store_true", help="run the program under libfaketime")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # tidy up then too
    with _folder() as folder, ExitStack() as stack:
        try:
            site = Site(folder, given, stack)
        except (NoSmallDisk, EmbeddedError, RuntimeError) as error:
            print(json.dumps({"cannot": str(error)}), flush=True)
            return 1
        print(json.dumps(site.ready()), flush=True)
        orders = site.orders()
        for line in sys.stdin:
            order = json.loads(line)
            print(json.dumps(orders[order["do"]](order) or {}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
