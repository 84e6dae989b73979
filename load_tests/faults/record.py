"""The record of fault runs, `docs/faults.json`, and the table that `docs/faults.md` shows of it. Reads and writes both.

`python -m load_tests.faults.record` writes the table anew; `./run faults --record FILE` puts its verdicts in first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from load_tests.faults.catalogue import FAULTS
from load_tests.faults.verdict import Verdict

_DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
RECORD: Final = _DOCS / "faults.json"
PAGE: Final = _DOCS / "faults.md"
BEGIN: Final = "<!-- written by load_tests.faults.record: begin -->\n"
END: Final = "<!-- end -->\n"
_HEAD: Final = (
    "| fault | acked | lost | orders | over | twice | gaps | rep | back | RSS | at, load average | ok |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def put(path: Path, verdicts: Sequence[Verdict], load: dict[str, float]) -> None:
    """Put verdicts into the record at `path`, each in the place of an earlier one of its name."""
    kept: dict[str, Any] = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    for one in verdicts:
        row = one.published() | {"reasons": one.reasons, "load": load, "at": now}
        kept[one.name] = row | {"load_average": round(os.getloadavg()[1], 1)}
    ordered = {fault.name: kept[fault.name] for fault in FAULTS if fault.name in kept}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")


def markdown(record: dict[str, Any]) -> str:
    """The table of a record, every fault of the catalogue in it, and below it what was not kept."""
    lines, failed = [_HEAD], []
    for fault in FAULTS:
        row = record.get(fault.name)
        if row is None:
            lines.append(f"| {fault.name} |" + " |" * 10 + " **not tried** |\n")
            continue
        back = "never" if row["recovery_s"] is None else f"{row['recovery_s']:.1f}"
        figures = [row[name] for name in ("acked", "acked_lost", "orders", "oversold", "doubled")]
        figures += [row["undeclared_gaps"], row["repeats"], back, f"{row['rss_growth_mb']:+.1f}"]
        figures += [f"{row['at']}, {row['load_average']}", "yes" if row["ok"] else "**NO**"]
        lines.append(f"| {fault.name} | " + " | ".join(str(figure) for figure in figures) + " |\n")
        failed += [f"- `{fault.name}`: {reason}\n" for reason in row["reasons"]]
    return "".join([*lines, "\n" if failed else "", *failed])


def main() -> int:
    """Write the table of the record into the page."""
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(before + BEGIN + markdown(msgspec.json.decode(RECORD.read_bytes())) + END + after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
