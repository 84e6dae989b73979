"""Links evidence into its chain after it was committed, and exports the chain's head. Does I/O.

Any number of processes may run one: the database lets one link at a time, and one export. Nothing waits for it, so
that the chain does not serialise the sale; what a crash leaves is linked by whoever comes next.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from commerce.dependencies import Dependencies
from commerce.errors import Unavailable
from commerce.evidence import links_after
from commerce.evidence_file import ExportDamagedError, ExportError, HeadFile
from commerce.suitability import business_date

T = TypeVar("T")
_log = logging.getLogger(__name__)
_BATCH = 2_000  # records linked in one transaction
_EXPORT_TIMEOUT_S = 3.0  # for a line to be on the disk; less than the unit of work may take


class Sequencer:
    """One per process; `run` is its task."""

    def __init__(self, given: Dependencies, export_dir: Path | None) -> None:
        self._given = given
        self._file = None if export_dir is None else HeadFile(export_dir)
        self._export_due = given.now()

    async def run(self, every_s: float = 0.5, export_every: timedelta = timedelta(seconds=10)) -> None:
        """Link what has come every so often, and export the head at most so often, until cancelled."""
        while True:
            try:
                await self.link_all()
                if self._given.now() >= self._export_due:
                    await self.export()
                    self._export_due = self._given.now() + export_every
            except Unavailable as error:
                _log.warning("evidence waits to be linked: %s", error)
            except ExportError as error:
                self._export_due = self._given.now() + export_every
                _log.error("the head of the evidence was not exported: %s", error)
            await asyncio.sleep(every_s)

    async def link_all(self) -> int:
        """Link what is committed and return how much that was; 0 also while another process is at it."""
        linked = 0
        while True:
            batch = await self._link()
            linked += batch
            if batch < _BATCH:
                return linked

    async def _link(self) -> int:
        now = self._given.now()
        async with self._given.units.begin() as unit:
            records = await unit.evidence.take_unlinked(_BATCH)
            if not records:
                return 0
            day = business_date(now, self._given.settings.suitability)
            await unit.evidence.add_links(links_after(await unit.evidence.head(), day, records), now)
        return len(records)

    async def export(self) -> bool:
        """Append the head to the file unless it stands there already; False when there was nothing to do.

        Raises ExportError; a line that a crash kept out of the database is taken in the next time.
        """
        if self._file is None:
            return False
        async with self._given.units.begin() as unit:
            if not await unit.evidence.begin_export():
                return False
            head = await unit.evidence.head()
            number, position = await unit.evidence.last_export()
            if head is None or head.position == position:
                return False
            last = await _on_disk(self._file.last)
            if (0 if last is None else last.number) < number:
                raise ExportDamagedError(f"line {number} was written and is not there")
            if last is not None and last.number > number + 1:
                raise ExportDamagedError(f"line {last.number} is there, but only {number} are known")
            if last is not None and last.number == number + 1:
                await unit.evidence.add_export(last)
            if last is None or last.position < head.position:
                append = partial(self._file.append, head.day, head.position, head.link_sha256, self._given.now())
                await unit.evidence.add_export(await _on_disk(append))
        return True


async def _on_disk(work: Callable[[], T]) -> T:
    """Do it in a thread; what the disk refuses is no fault of the database, which OSError would be taken for here."""
    try:
        return await asyncio.wait_for(asyncio.to_thread(work), _EXPORT_TIMEOUT_S)
    except OSError as error:
        raise ExportError(str(error) or "the disk does not answer") from error
