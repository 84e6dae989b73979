"""The running order of the sample show: ten sections about money, 180 s in all. Pure data and look-up."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Final


@dataclass(frozen=True)
class Section:
    """One slide's worth of the show: `key` names its chart and its comments."""

    key: str
    duration_ms: int
    tag: str
    title: str
    subtitle: str


SECTIONS: Final = (
    Section("opening", 14_000, "理财公开课", "把钱放在合适的地方", "The right place for each sum"),
    Section("saving", 18_000, "第 1 节", "存款与理财", "Deposits and wealth products"),
    Section("ratings", 18_000, "第 2 节", "风险等级 R1–R5", "Five levels of product risk"),
    Section("suitability", 20_000, "第 3 节", "适当性 C1–C5", "Which product suits whom"),
    Section("compounding", 20_000, "第 4 节", "复利与时间", "Compounding takes time"),
    Section("diversification", 18_000, "第 5 节", "分散配置", "Do not rely on one asset"),
    Section("quota", 17_000, "第 6 节", "额度与信息披露", "Quota and disclosure"),
    Section("buying", 19_000, "第 7 节", "合适地购买", "Four steps, no hurry"),
    Section("liquidity", 17_000, "第 8 节", "先留应急金", "Keep an emergency reserve"),
    Section("closing", 19_000, "答疑", "听懂了，再决定", "Understand first, then decide"),
)
STANDING_SENTENCE: Final = "理财非存款，产品有风险，投资须谨慎"

_ENDS: Final = tuple(accumulate(section.duration_ms for section in SECTIONS))
SHOW_MS: Final = _ENDS[-1]


def section_starts() -> dict[str, int]:
    """Return where each section begins, in ms from the start of the show."""
    return {section.key: end - section.duration_ms for section, end in zip(SECTIONS, _ENDS, strict=True)}


def section_at(position_ms: int) -> tuple[int, int]:
    """Return the index of the section on air at a stream position, and the ms since it began.

    Positions beyond one show (180 s) loop.
    """
    position = position_ms % SHOW_MS
    index = bisect_right(_ENDS, position)
    return index, position - (_ENDS[index] - SECTIONS[index].duration_ms)
