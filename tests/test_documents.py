"""Documents that would otherwise drift from the code."""

import re
from pathlib import Path

from chat.close_codes import CloseCode
from server.http.openapi import refusals
from server.http.operations import OPERATIONS
from server.http.signalling import STATUS_OF_CODE
from server.settings import Settings

ROOT = Path(__file__).resolve().parents[1]


def test_the_readme_names_every_setting_and_no_other() -> None:
    section = (ROOT / "README.md").read_text().split("## Configuration")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert named == {name.upper() for name in Settings.model_fields}


def test_every_link_of_the_documents_leads_somewhere() -> None:
    for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def pins_of(lock: str) -> dict[str, str]:
    """Package → version with what it is pinned for, e.g. `2.1 ; sys_platform == 'win32'`."""
    lines = re.findall(r"^([\w.-]+)==(.+?) \\$", (ROOT / lock).read_text(), re.MULTILINE)
    return dict(lines)


def test_what_runs_is_locked_without_the_tools_and_with_them_in_the_same_versions() -> None:
    runs, tests = pins_of("requirements.lock"), pins_of("tests/requirements.lock")
    assert "aiohttp" in runs
    assert runs.items() <= tests.items()
    assert not runs.keys() & {"pytest", "mypy", "ruff", "locust", "playwright"}


def test_decisions_are_numbered_once() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs" / "adr").glob("*.md")]
    assert len(numbers) == len(set(numbers))


def test_the_operators_manual_names_every_code_of_http_and_every_close_code() -> None:
    section = (ROOT / "docs" / "operations.md").read_text().split("## Codes")[1].split("\n## ")[0]
    http = re.findall(r"^\| (\d{3}) \| [^|]+ \| ([^|]+) \|$", section, re.MULTILINE)
    told = {(int(status), code) for status, codes in http for code in re.findall(r"`(\w+)`", codes)}
    known = {(status, code) for one in OPERATIONS for status, codes in refusals(one).items() for code in codes}
    assert told == known | {(status, code) for code, status in STATUS_OF_CODE.items()}
    closing = re.findall(r"^\| (\d{4}) \| `(\w+)` \|", section, re.MULTILINE)
    assert closing == [(str(one.code), one.reason) for one in CloseCode]
