"""`./run confirm`: the T+1 job by hand, for a business date, with its report by product and show. Does I/O."""

import asyncio
from datetime import date

import msgspec
from rich.console import Console
from rich.table import Table

from commerce.confirmations_postgres import ReportLine
from server.sale_by_hand import sale_by_hand
from server.settings import Settings


def confirm(settings: Settings, on: date | None, *, as_json: bool) -> bool:
    """Run the job and print its report; True when nothing that is due was left for want of an answer.

    Raises CalendarEndedError, ValueError and CommerceError as `Confirmation.run` does, SettingsError.
    """
    lines = asyncio.run(_run(settings, on))
    if as_json:
        print(msgspec.json.encode(lines).decode())
    else:
        _print(lines)
    return all(line.unanswered == 0 for line in lines)


async def _run(settings: Settings, on: date | None) -> list[ReportLine]:
    async with sale_by_hand(settings) as parts:
        return await parts.commerce.confirmation.run(on)


def _print(lines: list[ReportLine]) -> None:
    table = Table(*ReportLine.__struct_fields__)
    for line in lines:
        table.add_row(*(str(value) for value in msgspec.structs.astuple(line)))
    Console().print(table if lines else "nothing was due")
