"""One direction of imports: server → {streaming, chat, commerce}, which never meet; load_tests stands alone."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"server", "streaming", "chat", "commerce", "load_tests", "tests"}
TOP = PACKAGES | {
    "docs",
    "deploy",
    "run",
    "pyproject.toml",
    "schemathesis.toml",
    "requirements.lock",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
}
MAY_IMPORT = {
    "server": {"streaming", "chat", "commerce"},
    "streaming": set[str](),
    "chat": set[str](),
    "commerce": set[str](),
    "load_tests": set[str](),
}
IMPURE = {
    "asyncio",
    "socket",
    "asyncpg",
    "redis",
    "aiohttp",
    "websockets",
    "os",
    "time",
    "random",
    "secrets",
    "subprocess",
}
# What talks to something is named for it.
ADAPTERS = ("_postgres", "_redis", "_aiortc")
# All else is pure but for these, which run tasks, own sockets and files, or ask the clock. A module is pure until it
# stands here, and what stands here must need it.
WITH_TASKS_OR_IO = {
    "streaming": {
        "datagram_sender", "dtls_openssl", "egress_choice", "egress_native", "egress_native_lanes",
        "egress_python", "engine", "extension",
        "hatch_build", "port", "recorder_disk", "segment_files", "task_owner", "viewer",
    },
    "chat": {
        "attendance_book", "barred", "broker_memory", "comment_groups", "conversation", "entrance_hall", "mail_rounds",
        "open_room", "phrase_list", "postgres_work", "published_marks", "restriction_feed", "rooms", "single_flight",
        "snapshot", "talk_desk",
    },
    "commerce": {
        "audit_evidence", "confirmation", "core_asked", "envelopes", "evidence_file", "grouping", "outbox",
        "sequencer", "service", "witness",
    },
}  # fmt: skip


def imported(path: Path) -> set[str]:
    """The top names of everything a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the direction"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_package_imports_only_what_lies_below_it(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        wrong = imported(path) & (PACKAGES - {package} - MAY_IMPORT[package])
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


@pytest.mark.parametrize("package", sorted(WITH_TASKS_OR_IO))
def test_all_but_the_named_modules_import_neither_network_nor_clock_nor_chance(package: str) -> None:
    files = [path for path in sorted((ROOT / package).rglob("*.py")) if not path.stem.endswith(ADAPTERS)]
    impure = {path.stem for path in files if imported(path) & IMPURE}
    assert impure == WITH_TASKS_OR_IO[package]
    assert len(files) > 2 * len(impure)


def test_nothing_else_stands_at_the_top() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    names = {line.split("/")[0] for line in tracked.stdout.splitlines()}
    assert names
    assert not {name for name in names - TOP if not name.startswith(".")}
