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
PURE = {
    "streaming": {
        "lifecycle",
        "broadcast",
        "stream_clock",
        "sdp_answer",
        "sdp_fragment",
        "ice_lite",
        "forwarding",
        "keyframes",
        "feedback",
        "layer_choice",
        "layer_rates",
        "layered_stream",
        "stream_mark",
        "vp8_descriptor",
        "bitrate_limit",
        "recording_format",
        "recording_chain",
    },
    "chat": {"codec", "session", "outbox", "rate_limit", "moderation", "close_codes", "events"},
    "commerce": {
        "money",
        "product",
        "suitability",
        "quota",
        "order",
        "group",
        "core",
        "dates",
        "evidence",
        "questionnaire",
    },
}


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


@pytest.mark.parametrize("package", sorted(PURE))
def test_pure_cores_import_neither_network_nor_clock_nor_chance(package: str) -> None:
    for name in sorted(PURE[package]):
        path = ROOT / package / f"{name}.py"
        wrong = imported(path) & IMPURE
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_nothing_else_stands_at_the_top() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    names = {line.split("/")[0] for line in tracked.stdout.splitlines()}
    assert names
    assert not {name for name in names - TOP if not name.startswith(".")}
