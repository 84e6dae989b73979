"""The front door says in one line what to do, on machines where it cannot go on."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.__main__ import cli

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 60

# A Python that makes environments of itself and installs nothing, slowly: it notes when pip begins and ends.
SLOW_PYTHON = """#!/bin/sh
case "$*" in
"-m venv .venv") rm -rf .venv; sleep 0.2; mkdir -p .venv/bin; cp bin/python3 .venv/bin/python; echo made >>log ;;
*"import pip;"*) ;;
*"pip install"*)
    echo "began $$" >>log
    trap 'kill $!; exit 1' TERM
    sleep "$PIP_S" & wait $!
    echo ended >>log ;;
"-m server"* | "-m streaming.native.build" | "-m server.gateway.native.build") ;;
*) exec {python} "$@" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script and its lock, and a `bin` that is the whole PATH beside the system's tools."""
    for name in ("run", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in ("cat", "cp", "dirname", "cksum", "mkdir", "tr", "rm", "sleep", "tail", "touch", "sh"):
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def python(checkout: Path, name: str, *, old: bool = False, venv: bool = True) -> None:
    """Put a Python there that answers the script's questions as an old or an incomplete one would."""
    answers = f'case "$*" in *version_info*) exit {int(old)} ;; *ensurepip*) exit {int(not venv)} ;; esac\n'
    script = checkout / "bin" / name
    script.write_text(f'#!/bin/sh\n{answers}exec {sys.executable} "$@"\n')
    script.chmod(0o755)


def slow_python(checkout: Path) -> None:
    script = checkout / "bin" / "python3"
    script.write_text(SLOW_PYTHON.format(python=sys.executable))
    script.chmod(0o755)


def start(checkout: Path, pip_s: str) -> subprocess.Popen[str]:
    """`./run token` in a session of its own, as a terminal would start it."""
    return subprocess.Popen(
        ["./run", "token"],
        cwd=checkout,
        env={"PATH": str(checkout / "bin"), "PIP_S": pip_s},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # As a terminal has it: where the tests themselves run in the background Ctrl-C is ignored, and inherited so.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def log_of(checkout: Path) -> list[str]:
    log = checkout / "log"
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


def run(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["./run", *words],
        cwd=checkout,
        env={"PATH": str(checkout / "bin")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_a_machine_without_a_new_python_is_told_so(checkout: Path) -> None:
    python(checkout, "python3", old=True)
    done = run(checkout, "demo")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "run: Python 3.11 or newer is needed: install it, or name one with PYTHON=/path/to/python"
    ]


def test_a_python_without_venv_is_told_what_to_install(checkout: Path) -> None:
    python(checkout, "python3", venv=False)
    done = run(checkout, "demo")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "apt install python3-venv" in line


def test_a_checkout_that_cannot_be_written_is_told_so() -> None:
    folder = Path(tempfile.mkdtemp(prefix="wc-"))
    try:
        for name in ("run", "requirements.lock"):
            shutil.copy(ROOT / name, folder / name)
        folder.chmod(0o555)
        done = subprocess.run(
            ["./run", "demo"],
            cwd=folder,
            user="nobody" if os.geteuid() == 0 else None,  # root may write everywhere
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["run: this folder is not writable: copy the project to one that is"]


def test_an_unknown_command_is_answered_with_the_known_ones(checkout: Path) -> None:
    done = run(checkout, "explode")
    assert done.returncode == 1
    assert "no such command: explode" in done.stderr
    assert "./run demo" in done.stderr


def test_help_needs_no_environment(checkout: Path) -> None:
    done = run(checkout, "help")
    assert done.returncode == 0
    assert "./run test" in done.stdout
    assert not (checkout / ".venv").exists()


def test_check_takes_two_options_and_says_so_in_one_line(checkout: Path) -> None:
    assert "--sanitize" in run(checkout, "check", "--help").stdout
    done = run(checkout, "check", "server")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["run: check takes --sanitize or --help, not: server"]


@pytest.mark.parametrize("wrong", [["--explode"], ["--port", "many"]])
def test_what_a_command_does_not_take_is_said_in_one_line(wrong: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server", "demo", *wrong],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("wealthcast: ")
    assert wrong[0] in line


def test_every_command_of_the_server_that_is_listed_has_help(checkout: Path) -> None:
    listed = [line.split()[1] for line in run(checkout, "help").stdout.splitlines() if line.startswith("./run ")]
    groups = {"account", "customer", "recording"}
    served = set(listed) - {"test", "check", "soak", "bench", "load", "faults", "fuzz"} - groups
    assert len(served) > 9
    for command in served:
        answer = CliRunner().invoke(cli, [command, "--help"])
        assert (answer.exit_code, "--help" in answer.stdout) == (0, True), command
    bench = [sys.executable, "-m", "load_tests.bench", "--help"]
    done = subprocess.run(bench, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert "./run bench" in done.stdout


def test_an_environment_without_pip_is_made_again(checkout: Path) -> None:
    slow_python(checkout)
    half = checkout / ".venv" / "bin" / "python"
    half.parent.mkdir(parents=True)
    half.write_text("#!/bin/sh\nexit 1\n")
    half.chmod(0o755)
    process = start(checkout, "0.1")
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert log_of(checkout) == ["made", "began", "ended"]


def test_two_at_once_set_up_one_after_the_other(checkout: Path) -> None:
    slow_python(checkout)
    both = [start(checkout, "0.5"), start(checkout, "0.5")]
    said = [process.communicate(timeout=PATIENCE_S)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert log_of(checkout) == ["made", "began", "ended"]
    assert sum("waiting for it" in text for text in said) == 1


def test_an_interrupted_set_up_leaves_no_installer_behind_and_is_taken_up_again(checkout: Path) -> None:
    slow_python(checkout)
    process = start(checkout, "300")
    deadline = time.monotonic() + PATIENCE_S
    while "began" not in log_of(checkout):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    installer = int((checkout / "log").read_text().split()[-1])
    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C goes to all of a terminal's processes; pip's shell has it ignored
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(installer, 0)
    again = start(checkout, "0")
    again.communicate(timeout=PATIENCE_S)
    assert again.returncode == 0
    assert log_of(checkout)[-2:] == ["began", "ended"]
