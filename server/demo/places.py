"""Where a demo keeps its data and sockets, and that only one demo uses them. Does I/O."""

import base64
import fcntl
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from server.embedded.postgres import reachable, socket_url, start_postgres
from server.embedded.process import service_user
from server.settings import DEMO_SECRET_PREFIX

CHECKOUT = Path(__file__).resolve().parents[2]
MARKER = ".wealthcast-demo"
ABOUT = "running.json"
"""What the demo that holds the lock says of itself, for `./run doctor`."""
_ROOTS_PLACE = Path("/var/lib/wealthcast")
_KEY_BYTES = 32
_LONGEST_SOCKET_DIR = 80  # a socket's path holds 104 bytes at most


class DemoError(Exception):
    """The demo cannot start; the message says in one line what to do."""


class InUse(DemoError):
    """Another demo, the process `owner`, runs with this folder; `runtime` is where its PostgreSQL's socket lies."""

    def __init__(self, data: Path, owner: str, runtime: str) -> None:
        super().__init__(
            f"a demo (process {owner}) already uses {data}: stop it, or give this one its own --data-dir and --port"
        )
        self.owner = owner
        self.runtime = runtime


@dataclass(frozen=True)
class Places:
    """The folders of one demo; `lock` is held for as long as it runs."""

    data: Path
    runtime: Path
    lock: IO[str]


def default_data_dir() -> Path:
    """Name the folder: `.data` in the project, or /var/lib/wealthcast when root's servers could not reach that."""
    if service_user() is not None and not reachable(CHECKOUT):
        return _ROOTS_PLACE
    return CHECKOUT / ".data"


def open_places(data_dir: Path | None, *, reset: bool) -> Places:
    """Make, lock and, on request, empty the folder; raises DemoError."""
    data = (data_dir or default_data_dir()).absolute()
    _refuse_what_is_not_ours(data, reset=reset)
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"cannot make {data} ({error.strerror}): choose another folder with --data-dir") from None
    user = service_user()
    if user is not None:
        data.chmod(0o711)
        if not reachable(data):
            raise DemoError(
                f"user '{user}', who runs PostgreSQL for root, cannot reach {data}: choose --data-dir /srv/…"
            )
    if not os.access(data, os.W_OK):
        raise DemoError(f"{data} is not writable: choose another folder with --data-dir")
    lock = _lock(data)
    (data / MARKER).touch()
    if reset:
        _empty(data)
    runtime = _runtime_dir(data)
    lock.write(f"\n{runtime / 'postgres'}")
    lock.flush()
    return Places(data, runtime, lock)


def _refuse_what_is_not_ours(data: Path, *, reset: bool) -> None:
    """Raise DemoError for a folder that no demo made: we neither empty it nor mix our files with what is there."""
    try:
        names = {path.name for path in data.iterdir()}
    except FileNotFoundError:
        return
    except OSError as error:
        raise DemoError(f"cannot read {data} ({error.strerror}): choose another folder with --data-dir") from None
    if not names or MARKER in names:
        return
    if reset:
        raise DemoError(f"{data} does not carry {MARKER}, so no demo made it: nothing was removed; look at it yourself")
    if not {"demo.lock", "jwt-secret"} <= names:  # a demo of an earlier release had these and no marker
        raise DemoError(f"{data} holds things of others: name a new or empty folder with --data-dir")


def owner_of(data: Path) -> InUse | None:
    """Say who runs with this folder, changing nothing; raises DemoError when it cannot be looked at."""
    try:
        with (data / "demo.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return InUse(data, *_written(data))
    except OSError as error:
        raise DemoError(f"cannot read {data} ({error.strerror}): ask as the user who runs the demo") from None
    return None


def _written(data: Path) -> tuple[str, str]:
    """The process that holds the lock, and where its PostgreSQL's socket lies."""
    owner, _, runtime = (data / "demo.lock").read_text().strip().partition("\n")
    return owner or "unknown", runtime or str(data / "run" / "postgres")


@contextmanager
def demo_database(data_dir: Path | None) -> Iterator[str]:
    """Give the URL of a demo's database, running or not; one that is not running is started for the block alone.

    Raises DemoError when no demo has run there.
    """
    data = (data_dir or default_data_dir()).absolute()
    if not (data / "postgres" / "PG_VERSION").exists():
        raise DemoError(f"no demo has run with {data}: set DATABASE_URL, or name the demo's folder with --data-dir")
    try:
        lock = _lock(data)
    except InUse as running:
        yield socket_url(Path(running.runtime), (data / "postgres-password").read_text())
        return
    with lock:
        postgres = start_postgres(data, _runtime_dir(data) / "postgres")
        try:
            yield postgres.url
        finally:
            postgres.stop()


def _lock(data: Path) -> IO[str]:
    lock = (data / "demo.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise InUse(data, *_written(data)) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _empty(data: Path) -> None:
    """Remove what a demo wrote there and nothing else: the folder may have been named by mistake."""
    for name in ("postgres", "postgres.unfinished", "valkey", "postgres-programs", "recordings", "evidence", "run"):
        shutil.rmtree(data / name, ignore_errors=True)
    for name in (
        "postgres-password",
        "postgres.log",
        "initdb.log",
        "show.log",
        "jwt-secret",
        "data-key",
        "credentials.json",
        ABOUT,
    ):
        (data / name).unlink(missing_ok=True)


def _runtime_dir(data: Path) -> Path:
    runtime = data / "run"
    if len(str(runtime)) > _LONGEST_SOCKET_DIR:
        runtime = Path(tempfile.mkdtemp(prefix="wc-"))
    for folder in (runtime, runtime / "postgres", runtime / "valkey"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711 if folder == runtime else 0o700)
    return runtime


def demo_secret(data: Path) -> str:
    """Return the secret that signs this demo's tokens, made once; `serve` refuses it by its prefix."""
    path = data / "jwt-secret"
    if not path.exists() or len(path.read_text()) < 32:
        _keep(path, DEMO_SECRET_PREFIX + secrets.token_urlsafe(48))
    return path.read_text()


def demo_data_key(data: Path) -> dict[str, str]:
    """Return the key that seals this demo's personal data; `serve` refuses it by its id.

    It is made once, before the database; raises DemoError for a database whose key is gone or damaged, as a new key
    would open nothing of what lies there.
    """
    path = data / "data-key"
    if not path.exists():
        if (data / "postgres" / "PG_VERSION").exists():
            raise DemoError(
                f"{path} is missing, and with it what opens the database: put it back, or start with --reset"
            )
        _keep(path, base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode())
    key = path.read_text()
    try:
        whole = len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except ValueError:
        whole = False
    if not whole:
        raise DemoError(f"{path} is damaged: put back the one that the database was made with, or start with --reset")
    return {f"{DEMO_SECRET_PREFIX}1": key}


def _keep(path: Path, text: str) -> None:
    """Write a private file so that it is there as a whole or not at all, whenever the machine stops."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    with unfinished.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def check_ports(host: str, port: int) -> None:
    """Raise DemoError when one of the three ports is taken."""
    for kind, number in ((socket.SOCK_STREAM, port), (socket.SOCK_STREAM, port + 1), (socket.SOCK_DGRAM, port + 2)):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, number))
            except OSError:
                raise DemoError(
                    f"port {number} is in use: free it, or choose others with --port N (takes N, N+1 and N+2)"
                ) from None


def lan_address() -> str:
    """Find this machine's address on the local network without sending anything; raises DemoError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1: chooses a route, a datagram is never sent
            address = str(probe.getsockname()[0])
        except OSError:
            address = "127.0.0.1"
    if address.startswith("127."):
        raise DemoError("--lan found no network: connect this machine to one, or leave --lan out")
    return address
