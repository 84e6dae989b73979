"""Draws a soak's figures over time as one SVG: a panel a measure, a line a process. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

_WIDTH: Final = 900
_PANEL: Final = 170
_LEFT: Final = 60
_RIGHT: Final = 150
_TOP: Final = 24
_POINTS: Final = 150
_COLOURS: Final = ("#1b6ca8", "#c23b22", "#2e8540", "#8a4fa3", "#b8860b", "#00838f", "#ad1457", "#546e7a", "#6d4c41")

Line = tuple[Sequence[float], Sequence[float]]


def draw(title: str, panels: Mapping[str, Mapping[str, Line]], warm_up_s: float) -> str:
    """Return the SVG; `panels` holds for each measure's label the lines (seconds, values) by process."""
    names = sorted({name for lines in panels.values() for name in lines})
    colours = {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names)}
    last_s = max((line[0][-1] for lines in panels.values() for line in lines.values() if line[0]), default=1.0)
    height = _TOP + _PANEL * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="15" font-size="13">{escape(title)}</text>',
    ]
    for number, (label, lines) in enumerate(panels.items()):
        parts += _panel(_TOP + number * _PANEL, label, lines, colours, last_s, warm_up_s)
    return "\n".join([*parts, "</svg>\n"])


def _panel(
    top: float, label: str, lines: Mapping[str, Line], colours: Mapping[str, str], last_s: float, warm_up_s: float
) -> list[str]:
    most = max((max(values) for _, values in lines.values() if values), default=0.0) * 1.1 or 1.0
    bottom, high = top + _PANEL - 26, _PANEL - 46
    width = _WIDTH - _LEFT - _RIGHT

    def at(seconds: float, value: float) -> str:
        return f"{_LEFT + width * seconds / last_s:.1f},{bottom - high * value / most:.1f}"

    warm = width * min(1.0, warm_up_s / last_s)
    parts = [
        f'<rect x="{_LEFT}" y="{bottom - high}" width="{warm:.1f}" height="{high}" fill="#f1f1ee"/>',
        f'<path d="M{_LEFT},{bottom - high}V{bottom}H{_LEFT + width}" fill="none" stroke="#999"/>',
        f'<text x="{_LEFT}" y="{bottom - high - 6}">{escape(label)}</text>',
        f'<text x="{_LEFT - 6}" y="{bottom}" text-anchor="end">0</text>',
        f'<text x="{_LEFT - 6}" y="{bottom - high + 8}" text-anchor="end">{most:.3g}</text>',
        f'<text x="{_LEFT + width}" y="{bottom + 14}" text-anchor="end">{last_s / 60:.0f} min</text>',
    ]
    for row, (name, (times, values)) in enumerate(sorted(lines.items())):
        points = " ".join(at(seconds, value) for seconds, value in _thinned(times, values))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colours[name]}" stroke-width="1.3"/>')
        y = bottom - high + 10 + 13 * row
        parts.append(f'<text x="{_LEFT + width + 8}" y="{y}" fill="{colours[name]}">{escape(name)}</text>')
    return parts


def _thinned(times: Sequence[float], values: Sequence[float]) -> list[tuple[float, float]]:
    """Keep the highest of each stretch, so that a peak is not lost."""
    pairs = list(zip(times, values, strict=True))
    step = max(1, -(-len(pairs) // _POINTS))
    return [max(pairs[start : start + step], key=lambda pair: pair[1]) for start in range(0, len(pairs), step)]
