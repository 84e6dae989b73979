"""Bring the database's schema up to date with dbmate, under its advisory lock. Does I/O."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

MIGRATIONS = Path(__file__).parent / "migrations"


class MigrationError(Exception):
    """The schema could not be brought up to date; the message is dbmate's last line."""


def migrate(database_url: str, *, timeout_s: float = 120) -> None:
    """Create the database if it is missing and apply what is pending; two at once wait for each other."""
    env = {"PATH": os.environ.get("PATH", ""), "DATABASE_URL": dbmate_url(database_url)}
    argv = [_dbmate(), "--no-dump-schema", "--migration-lock", "--migrations-dir", str(MIGRATIONS), "up"]
    try:
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=timeout_s, check=False, cwd="/")
    except subprocess.TimeoutExpired:
        raise MigrationError(f"migrations did not finish in {timeout_s:.0f} s") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise MigrationError(lines[-1] if lines else "dbmate failed without a word")


def dbmate_url(database_url: str) -> str:
    """Say `sslmode=disable` for a unix socket, as dbmate's driver would otherwise ask for TLS there."""
    if "host=/" in database_url and "sslmode=" not in database_url:
        return f"{database_url}&sslmode=disable"
    return database_url


def expected_versions() -> list[str]:
    """List the versions that this program was written for, oldest first."""
    return sorted(path.name.split("_", 1)[0] for path in MIGRATIONS.glob("*.sql"))


def _dbmate() -> str:
    beside = Path(sys.executable).with_name("dbmate")
    found = str(beside) if beside.exists() else shutil.which("dbmate")
    if found is None:
        raise MigrationError("the program dbmate is not installed: run ./run again to set up")
    return found
