"""The port of a show's figures."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chat.attendance import Totals
from chat.stays import Stay


@dataclass(frozen=True, slots=True)
class Figures:
    """What a show is judged by (domain.md); average watch is total watched time ÷ unique viewers."""

    views: int
    visitors: int
    background: int
    peak_online: int
    peak_at: datetime | None
    watched_s: int
    background_s: int
    comments: int
    questions: int
    questions_unanswered: int

    @property
    def average_watch_s(self) -> float:
        """Seconds watched by the average viewer, 0 without any."""
        return round(self.watched_s / self.visitors, 1) if self.visitors else 0.0


class FigureStore(Protocol):
    """Durable; all raise Unavailable."""

    async def keep(
        self, broadcast_id: str, writer_id: str, totals: Totals, visitors: set[str], stays: Collection[Stay],
        peak_online: int, at: datetime,
    ) -> None:  # fmt: skip
        """Keep one process's totals, which only grow, its new visitors and stays; repeating it changes nothing."""

    async def read(self, broadcast_id: str) -> Figures:
        """Add up all processes, those that have ended too; `background` counts those that spoke within 15 s."""
