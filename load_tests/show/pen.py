"""Antialiased shapes and text in picture coordinates, over Pillow. Reads the two shipped fonts, once.

Pillow's shapes have hard edges, so a pen draws twice as large and `finished()` halves the result.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from load_tests.show.palette import PAPER, RGB, mixed

FONT_DIR: Final = Path(__file__).parent / "fonts"
FONT_FILES: Final = {False: FONT_DIR / "WealthcastShow-Regular.otf", True: FONT_DIR / "WealthcastShow-Bold.otf"}
_SCALE: Final = 2

Box = tuple[float, float, float, float]
Point = tuple[float, float]


@lru_cache(maxsize=64)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONT_FILES[bold], size, layout_engine=ImageFont.Layout.BASIC)


class Pen:
    """Draws onto a copy of `ground`, whose top-left corner lies at `origin` in the picture.

    Coordinates are picture pixels; `opacity` is 0–1.
    """

    def __init__(self, ground: Image.Image, origin: tuple[int, int]) -> None:
        self._origin = origin
        self._size = ground.size
        big = (ground.width * _SCALE, ground.height * _SCALE)
        self._image = ground.resize(big, Image.Resampling.NEAREST)
        self._draw = ImageDraw.Draw(self._image, "RGBA")

    def finished(self) -> Image.Image:
        """Return what was drawn, at picture size."""
        return self._image.reduce(_SCALE)

    def text(
        self,
        at: Point,
        text: str,
        size: int,
        colour: RGB = PAPER,
        *,
        bold: bool = False,
        anchor: str = "ls",
        opacity: float = 1.0,
    ) -> None:
        """Write one line; `anchor` as in Pillow: `ls` left baseline, `ms` middle, `rs` right."""
        if opacity == 0:
            return
        font = _font(size * _SCALE, bold)
        point = self._point(at)
        self._draw.text(point, text, fill=self._faded(colour, point, opacity), font=font, anchor=anchor)

    def panel(self, box: Box, colour: RGB, radius: float = 16, opacity: float = 1.0) -> None:
        """Fill a box (left, top, right, bottom) with round corners; an empty box draws nothing."""
        left, top, right, bottom = box
        if right - left < 1 or bottom - top < 1:
            return
        limit = min(radius, (right - left) / 2, (bottom - top) / 2)
        self._draw.rounded_rectangle(self._box(box), limit * _SCALE, fill=_ink(colour, opacity))

    def outline(self, box: Box, colour: RGB, radius: float = 16, width: int = 2, opacity: float = 1.0) -> None:
        """Draw the edge of a box with round corners."""
        ink = _ink(colour, opacity)
        self._draw.rounded_rectangle(self._box(box), radius * _SCALE, outline=ink, width=width * _SCALE)

    def line(self, points: Sequence[Point], colour: RGB, width: float = 3, opacity: float = 1.0) -> None:
        """Draw a line through two or more points, with round ends and joints."""
        scaled = [self._point(point) for point in points]
        ink = _ink(colour, opacity)
        self._draw.line(scaled, fill=ink, width=round(width * _SCALE), joint="curve")
        if opacity == 1.0:
            for end in (points[0], points[-1]):
                self.disc(end, width / 2, colour)

    def disc(self, centre: Point, radius: float, colour: RGB, opacity: float = 1.0) -> None:
        """Fill a circle; below half a pixel it draws nothing."""
        if radius < 0.5:
            return
        x, y = centre
        box = (x - radius, y - radius, x + radius, y + radius)
        self._draw.ellipse(self._box(box), fill=_ink(colour, opacity))

    def ellipse(self, box: Box, colour: RGB, opacity: float = 1.0) -> None:
        """Fill an ellipse."""
        self._draw.ellipse(self._box(box), fill=_ink(colour, opacity))

    def arc(self, box: Box, start: float, end: float, colour: RGB, width: float) -> None:
        """Draw a ring's sector clockwise from `start` to `end`, in degrees with 0 at three o'clock."""
        self._draw.arc(self._box(box), start, end, fill=colour, width=round(width * _SCALE))

    def polygon(self, points: list[Point], colour: RGB, opacity: float = 1.0) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._point(point) for point in points], fill=_ink(colour, opacity))

    def tick(self, at: Point, colour: RGB) -> None:
        """Draw a tick mark about 20 px wide around a point."""
        x, y = at
        self.line([(x - 9, y), (x - 2, y + 7), (x + 10, y - 8)], colour, 4)

    def _faded(self, colour: RGB, point: Point, opacity: float) -> RGB:
        """Mix with the ground under the text's anchor: Pillow draws text opaque whatever its alpha."""
        if opacity == 1:
            return colour
        x, y = (min(int(value), size - 1) for value, size in zip(point, self._image.size, strict=True))
        ground = self._image.getpixel((x, y))
        assert isinstance(ground, tuple), "an RGB image has three values a pixel"
        red, green, blue = ground
        return mixed((red, green, blue), colour, opacity)

    def _point(self, point: Point) -> Point:
        return (point[0] - self._origin[0]) * _SCALE, (point[1] - self._origin[1]) * _SCALE

    def _box(self, box: Box) -> Box:
        left, top = self._point(box[:2])
        right, bottom = self._point(box[2:])
        return left, top, right - 1, bottom - 1


def _ink(colour: RGB, opacity: float) -> tuple[int, int, int, int]:
    return (*colour, round(255 * opacity))
