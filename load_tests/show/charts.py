"""The animated charts of sections 1–5: each draws itself at a progress of 0 … `steps`. Pure drawing.

All lie within 92 ≤ x < 628 and 336 ≤ y < 664: a tall phone that fills its screen crops 64 px at each side.
"""

import math
from typing import Final

from load_tests.show.palette import AMBER, CORAL, LINE, MIST, PAPER, RATINGS, SAGE, SKY, SLATE, mixed
from load_tests.show.pen import Pen

LEFT: Final = 92
RIGHT: Final = 628


def share(progress: float, step: int) -> float:
    """Return how far a step (0-based) has come, 0–1, when the chart stands at `progress`."""
    return max(0.0, min(1.0, progress - step))


def opening(pen: Pen, progress: float) -> None:
    """Three purposes of money, one card each."""
    cards = (("日常", "Daily", SKY), ("备用", "Reserve", SAGE), ("长期", "Long term", AMBER))
    for step, (name, english, colour) in enumerate(cards):
        seen = share(progress, step)
        left = LEFT + step * 184
        top = 372 + 28 * (1 - seen)
        pen.panel((left, top, left + 168, top + 232), SLATE, 22, seen)
        pen.panel((left, top, left + 168, top + 10), colour, 5, seen)
        for coin in range(step * 2 + 2):
            rise = top + 128 - coin * 15
            pen.ellipse((left + 48, rise, left + 120, rise + 24), mixed(colour, SLATE, 0.45), seen)
            pen.ellipse((left + 48, rise - 5, left + 120, rise + 19), colour, seen)
        pen.text((left + 84, top + 186), name, 36, bold=True, anchor="ms", opacity=seen)
        pen.text((left + 84, top + 217), english, 24, MIST, anchor="ms", opacity=seen)


def saving(pen: Pen, progress: float) -> None:
    """A comparison in three rows."""
    pen.text((322, 372), "存款 Deposit", 29, SKY, bold=True, anchor="ms")
    pen.text((530, 372), "理财 Wealth", 29, AMBER, bold=True, anchor="ms")
    pen.line([(LEFT, 392), (RIGHT, 392)], LINE, 2)
    rows = (
        ("本金", "存款保险", "限额内保障", "可能亏损", "自担风险"),
        ("收益", "约定利率", "Agreed rate", "随净值浮动", "May go down"),
        ("取用", "随时或到期", "On demand", "按产品期限", "By its term"),
    )
    for step, (name, deposit, deposit_note, wealth, wealth_note) in enumerate(rows):
        seen = share(progress, step)
        base = 438 + step * 84 + 14 * (1 - seen)
        pen.text((LEFT, base + 14), name, 32, PAPER, bold=True, opacity=seen)
        for x, first, second in ((322, deposit, deposit_note), (530, wealth, wealth_note)):
            pen.text((x, base), first, 31, PAPER, anchor="ms", opacity=seen)
            pen.text((x, base + 32), second, 23, MIST, anchor="ms", opacity=seen)
        if step < 2:
            pen.line([(LEFT, base + 50), (RIGHT, base + 50)], SLATE, 2, seen)


def ratings(pen: Pen, progress: float) -> None:
    """Five stairs from R1 to R5, each with the swing of its value."""
    names = ("低", "中低", "中", "中高", "高")
    for step, (name, colour) in enumerate(zip(names, RATINGS, strict=True)):
        seen = share(progress, step)
        left = LEFT + step * 109
        full = 62 + step * 31
        pen.panel((left, 576 - full * seen, left + 100, 576), colour, 14, 0.25 + 0.75 * seen)
        pen.text((left + 50, 614), f"R{step + 1}", 34, PAPER, bold=True, anchor="ms")
        pen.text((left + 50, 648), name, 28, MIST, anchor="ms")
        if seen > 0:
            middle = 576 - full * seen - 34
            swing = (3 + step * 4) * seen
            wave = [(left + 10 + x, middle - swing * math.sin(x / 11)) for x in range(0, 81, 2)]
            pen.line(wave, mixed(colour, PAPER, 0.3), 3)


def suitability(pen: Pen, progress: float) -> None:
    """The grid of customer levels and product ratings: a customer of level k may buy R1 … Rk."""
    for column in range(5):
        pen.text((211 + column * 93, 366), f"R{column + 1}", 29, RATINGS[column], bold=True, anchor="ms")
    for row in range(5):
        seen = share(progress, row)
        top = 380 + row * 55
        pen.text((LEFT, top + 36), f"C{row + 1}", 31, PAPER, bold=True, opacity=0.4 + 0.6 * seen)
        for column in range(5):
            left = 169 + column * 93
            box = (left, top, left + 84, top + 47)
            if column > row:
                pen.outline(box, LINE, 12, 1, 0.7)
                continue
            pen.panel(box, SLATE, 12)
            pen.panel(box, RATINGS[column], 12, 0.85 * seen)
            if seen == 1.0:
                pen.tick((left + 42, top + 24), (20, 40, 66))


def compounding(pen: Pen, progress: float) -> None:
    """Thirty years of a made-up 3 %: with and without interest on interest."""
    left, right, bottom, top = 112.0, 600.0, 584.0, 360.0
    years = 30 * share(progress, 0)

    def at(year: float, worth: float) -> tuple[float, float]:
        return left + (right - left) * year / 30, bottom - (bottom - top) * (worth - 0.9) / 1.6

    for worth in (1.0, 1.5, 2.0, 2.5):
        pen.line([at(0, worth), at(30, worth)], SLATE, 2, 0.9)
    for year in (0, 10, 20, 30):
        pen.text((at(year, 0.9)[0], 614), f"{year} 年", 24, MIST, anchor="ms")
    marks = [years * part / 40 for part in range(41)]
    simple = [at(year, 1 + 0.03 * year) for year in marks]
    compound = [at(year, 1.03**year) for year in marks]
    pen.polygon([*compound, *reversed(simple)], AMBER, 0.18)
    pen.line(simple, SKY, 4)
    pen.line(compound, AMBER, 6)
    pen.disc(compound[-1], 9, PAPER)
    pen.disc(compound[-1], 6, AMBER)
    labelled = share(progress, 1)
    pen.text((124, 386), "复利 Compound  ×2.43", 28, AMBER, bold=True, opacity=labelled)
    pen.text((124, 426), "单利 Simple  ×1.90", 28, SKY, bold=True, opacity=labelled)
    pen.text((LEFT, 656), "假设年化 3%，仅为算例，不代表任何产品", 24, MIST)


def diversification(pen: Pen, progress: float) -> None:
    """A ring of four kinds of asset."""
    parts = (
        ("现金", "Cash", 15, SKY),
        ("固收", "Bonds", 45, SAGE),
        ("权益", "Equity", 25, AMBER),
        ("其他", "Other", 15, CORAL),
    )
    box = (96.0, 368.0, 344.0, 616.0)
    pen.arc(box, 0, 360, SLATE, 50)
    start = -90.0
    for step, (name, english, percent, colour) in enumerate(parts):
        seen = share(progress, step)
        sweep = 3.6 * percent
        if seen > 0:
            pen.arc(box, start + 1, start + max(1.0, sweep * seen - 1), colour, 50)
        start += sweep
        base = 400 + step * 60
        pen.panel((382, base - 25, 406, base - 1), colour, 7, 0.3 + 0.7 * seen)
        pen.text((420, base), name, 32, PAPER, bold=True, opacity=0.35 + 0.65 * seen)
        pen.text((490, base), english, 24, MIST, opacity=0.35 + 0.65 * seen)
        pen.text((RIGHT, base + 1), f"{percent}", 30, colour, bold=True, anchor="rs", opacity=seen)
    pen.text((220, 488), "分散", 38, PAPER, bold=True, anchor="ms")
    pen.text((220, 522), "Spread", 25, MIST, anchor="ms")
    pen.text((LEFT, 656), "示意图，单位 %，不是投资建议", 24, MIST)
