"""Line charts and bars as SVG text, for a report that opens from disk without a network. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

_WIDTH: Final = 720
_HEIGHT: Final = 220
_LEFT: Final = 56
_RIGHT: Final = 12
_TOP: Final = 12
_BOTTOM: Final = 26
_COLOURS: Final = ("#2563eb", "#dc2626", "#16a34a", "#9333ea", "#d97706", "#0891b2", "#be185d", "#4d7c0f", "#475569")
_POINTS: Final = 400
"""A line has no more points than the eye can part; of those that fall together the highest is drawn."""

Line = Sequence[tuple[float, float]]


def lines(series: Mapping[str, Line], unit: str, marks: Sequence[tuple[float, str]] = ()) -> str:
    """Draw lines over seconds; `marks` are upright lines with a name. An empty chart says so."""
    shown = {name: _thinned(points) for name, points in series.items() if points}
    if not shown:
        return '<p class="none">Nothing was measured.</p>'
    right = max(x for points in shown.values() for x, _ in points) or 1.0
    top = _round_up(max(y for points in shown.values() for _, y in points))
    plot_width, plot_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + max(0.0, x) / right * plot_width, _TOP + (1 - y / top) * plot_height

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">', *_grid(top, right, unit)]
    for x, name in marks:
        at, _ = place(x, 0)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" class="mark"/>')
        parts.append(f'<text x="{at + 4:.1f}" y="{_TOP + 10}">{escape(name)}</text>')
    for colour, points in zip(_colours(len(shown)), shown.values(), strict=True):
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in (place(x, y) for x, y in points))
        parts.append(f'<polyline points="{path}" style="stroke:{colour}"/>')
    return "".join([*parts, "</svg>", _legend(list(shown))])


def bars(values: Mapping[str, float], unit: str) -> str:
    """Draw one bar a name, the longest first."""
    most = max(values.values(), default=0)
    if most <= 0:
        return '<p class="none">Nothing was measured.</p>'
    rows = [
        f'<tr><td>{escape(name)}</td><td class="bar"><i style="width:{value / most:.1%}"></i></td>'
        f"<td>{value:,.6g} {escape(unit)}</td></tr>"
        for name, value in sorted(values.items(), key=lambda item: -item[1])
    ]
    return f'<table class="bars">{"".join(rows)}</table>'


def _thinned(points: Line) -> Line:
    step = math.ceil(len(points) / _POINTS)
    if step <= 1:
        return points
    return [max(points[i : i + step], key=lambda point: point[1]) for i in range(0, len(points), step)]


def _round_up(value: float) -> float:
    """The next 1, 2 or 5 with noughts."""
    if value <= 0:
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(value))
    return next(magnitude * step for step in (1, 2, 5, 10) if magnitude * step >= value)


def _grid(top: float, right: float, unit: str) -> list[str]:
    parts = []
    for step in range(5):
        y = _TOP + (_HEIGHT - _TOP - _BOTTOM) * step / 4
        value = top * (1 - step / 4)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" class="end">{value:,.6g}</text>')
    for step in range(7):
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * step / 6
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 8}" class="mid">{right * step / 6:.0f}</text>')
    parts.append(f'<text x="4" y="{_HEIGHT - 8}">{escape(unit)} / s</text>')
    return parts


def _legend(names: Sequence[str]) -> str:
    items = [
        f'<span><i style="background:{colour}"></i>{escape(name)}</span>'
        for colour, name in zip(_colours(len(names)), names, strict=True)
    ]
    return f'<p class="legend">{"".join(items)}</p>'


def _colours(count: int) -> list[str]:
    return [_COLOURS[index % len(_COLOURS)] for index in range(count)]
