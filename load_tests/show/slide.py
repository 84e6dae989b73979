"""One section's picture: stage, heading and an animated chart. Pure drawing; the stage is drawn once."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image

from load_tests.barcode import PICTURE_HEIGHT, PICTURE_WIDTH
from load_tests.show import charts, charts_practice
from load_tests.show.charts import LEFT
from load_tests.show.palette import AMBER, INK, MIST, NAVY, PAPER, SLATE
from load_tests.show.pen import Pen
from load_tests.show.sections import SECTIONS, STANDING_SENTENCE

Chart = Callable[[Pen, float], None]

CHART_BOX: Final = (56, 336, 664, 664)
HEADING_BOX: Final = (0, 128, PICTURE_WIDTH, 704)
_FIRST_STEP_MS: Final = 900
_EASE_MS: Final = 550
_SLOW_EASE_MS: Final = 3_000
_CHARTS: Final[dict[str, tuple[Chart, int]]] = {
    "opening": (charts.opening, 3),
    "saving": (charts.saving, 3),
    "ratings": (charts.ratings, 5),
    "suitability": (charts.suitability, 5),
    "compounding": (charts.compounding, 2),
    "diversification": (charts.diversification, 4),
    "quota": (charts_practice.quota, 4),
    "buying": (charts_practice.buying, 4),
    "liquidity": (charts_practice.liquidity, 3),
    "closing": (charts_practice.closing, 3),
}


@lru_cache(maxsize=1)
def stage() -> Image.Image:
    """Draw what stands behind everything: ink above, a warm light behind the presenter."""
    y, x = np.mgrid[0:PICTURE_HEIGHT, 0:PICTURE_WIDTH]
    downwards = np.clip(y / PICTURE_HEIGHT, 0, 1)[..., None]
    picture = np.array(INK) + (np.array(NAVY) - np.array(INK)) * downwards
    distance = np.hypot((x - 390) / 330, (y - 930) / 330)[..., None]
    light = np.clip(1 - distance, 0, 1) ** 1.5
    picture = picture + (np.array((92, 84, 96)) - picture) * light * 0.7
    return Image.fromarray(picture.round().astype(np.uint8))


def slide(index: int) -> Image.Image:
    """Draw a section's whole picture without its chart and presenter."""
    section = SECTIONS[index]
    pen = Pen(stage(), (0, 0))
    pen.panel((LEFT, 150, LEFT + 8, 186), AMBER, 4)
    pen.text((LEFT + 24, 179), section.tag, 32, AMBER, bold=True)
    pen.text((LEFT - 2, 256), section.title, 58, PAPER, bold=True)
    pen.text((LEFT, 302), section.subtitle, 32, MIST)
    pen.text((LEFT, 694), STANDING_SENTENCE, 25, MIST)
    for part in range(len(SECTIONS)):
        pen.panel((*progress_segment(part), 712), SLATE, 2)
    return pen.finished()


def progress_segment(part: int) -> tuple[int, int, int]:
    """Return left, top and right of one section's segment in the progress line, all even; 4 px high."""
    return LEFT + part * 54, 708, LEFT + part * 54 + 48


def chart_progress(index: int, since_ms: int) -> float:
    """Return how many of the chart's steps are done `since_ms` into the section; the fraction is eased.

    Steps begin evenly over the first two thirds of the section.
    """
    steps = _CHARTS[SECTIONS[index].key][1]
    spacing_ms = (SECTIONS[index].duration_ms * 2 // 3 - _FIRST_STEP_MS) / steps
    ease_ms = min(_SLOW_EASE_MS, spacing_ms * 0.8) if steps == 2 else _EASE_MS
    passed, within_ms = divmod(max(0.0, since_ms - _FIRST_STEP_MS), spacing_ms)
    if since_ms < _FIRST_STEP_MS:
        return 0.0
    eased = (1 - math.cos(math.pi * min(1.0, within_ms / ease_ms))) / 2
    return min(float(steps), passed + eased)


def chart(index: int, progress: float) -> Image.Image:
    """Draw a section's chart on its piece of the stage (`CHART_BOX`)."""
    pen = Pen(stage().crop(CHART_BOX), CHART_BOX[:2])
    _CHARTS[SECTIONS[index].key][0](pen, progress)
    return pen.finished()
