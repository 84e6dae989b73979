"""Child processes that never outlive their parent: spawn, wait until ready, stop in order. Does I/O."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class EmbeddedError(Exception):
    """An embedded server could not do its work; the message says in one line what to do."""


def service_user() -> str | None:
    """Name the account that servers run under when we are root (PostgreSQL refuses root), else None."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise EmbeddedError("running as root and neither user 'postgres' nor 'nobody' exists: run as an ordinary user")


def die_with_parent(parent_pid: int, death_signal: int) -> Callable[[], None]:
    """Build the hook that runs in the child between fork and exec, after any change of user.

    A change of user clears the death signal, so it is set last; the parent may already be gone by
    then, so it is looked at once more (prctl(2), PR_SET_PDEATHSIG).
    """

    def hook() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
            if os.getppid() != parent_pid:
                os._exit(1)

    return hook


def spawn(
    argv: Sequence[str],
    *,
    death_signal: int = signal.SIGTERM,
    user: str | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own (a terminal's Ctrl-C must reach only us).

    Call from the main thread: the death signal fires when the creating *thread* ends.
    """
    out = log.open("ab") if log is not None else None
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT if out is not None else None,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
            process_group=0,
            preexec_fn=die_with_parent(os.getpid(), death_signal),
        )
    finally:
        if out is not None:
            out.close()


def wait_ready(
    child: subprocess.Popen[bytes],
    ready: Callable[[], bool],
    *,
    what: str,
    log: Path | None,
    timeout_s: float,
) -> None:
    """Poll until `ready()`; raises EmbeddedError when the child ends or the time is over."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise EmbeddedError(f"{what} ended with status {child.returncode} at start{_last_line(log)}")
        if ready():
            return
        time.sleep(0.01)
    stop(child, signal.SIGKILL, timeout_s=5)
    raise EmbeddedError(f"{what} was not ready after {timeout_s:.0f} s{_last_line(log)}")


def wait_gone(pid_file: Path, *, timeout_s: float) -> None:
    """Wait for an earlier server on the same data, whose parent was killed, to finish its shutdown.

    The file's first line is a process id; raises EmbeddedError when that process stays.
    """
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    deadline = time.monotonic() + timeout_s
    while _runs(pid):
        if time.monotonic() > deadline:
            raise EmbeddedError(f"process {pid} still uses {pid_file.parent}: end it first")
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:  # the number may have been given to another program since, or wait to be reaped
        status = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)
    except OSError:
        return sys.platform != "linux"
    name = status[0].rsplit("(", 1)[-1]
    return name in ("postgres", "valkey-server") and not status[1].startswith(" Z")


def stop(child: subprocess.Popen[bytes], sig: int, *, timeout_s: float) -> None:
    """Ask the child to end, wait, and kill it when it does not."""
    if child.poll() is not None:
        return
    child.send_signal(sig)
    try:
        child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(5)


def _last_line(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    lines = log.read_text(errors="replace").strip().splitlines()
    return f": {lines[-1]} (log: {log})" if lines else f" (log: {log})"
