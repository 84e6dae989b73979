"""The front door says in one line what to do, on machines where it cannot go on."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script and its lock, and a `bin` that is the whole PATH beside the system's tools."""
    for name in ("run", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in ("cat", "dirname", "cksum", "tr", "rm", "sleep", "tail", "touch", "sh"):
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


def run(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["./run", *words],
        cwd=checkout,
        env={"PATH": str(checkout / "bin")},
        capture_output=True,
        text=True,
        timeout=60,
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
            timeout=60,
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
