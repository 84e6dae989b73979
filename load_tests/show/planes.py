"""I420 pictures as numpy planes: convert once, then copy, paste and blend only what moves. Pure arrays.

Positions and sizes of everything pasted are even, except where a sprite says otherwise: chroma is half
as wide and half as high as luma.
"""

from dataclasses import dataclass
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from load_tests.show.palette import RGB

_LUMA_BLACK: Final = 16
_CHROMA_GREY: Final = 128

Plane = NDArray[np.uint8]


class Planes:
    """One picture; `buffer` is I420 as PyAV wants it: (height × 3 / 2, width), and y, u, v are views of it."""

    def __init__(self, buffer: Plane) -> None:
        self.buffer = buffer
        rows, width = buffer.shape
        height = rows * 2 // 3
        self.y = buffer[:height]
        self.u = buffer[height : height + height // 4].reshape(height // 2, width // 2)
        self.v = buffer[height + height // 4 :].reshape(height // 2, width // 2)

    def copy(self) -> "Planes":
        """Return a picture of its own with the same content."""
        return Planes(self.buffer.copy())

    def paste(self, patch: "Planes", left: int, top: int) -> None:
        """Overwrite the area whose corner is (left, top) with `patch`."""
        for target, source, scale in (
            (self.y, patch.y, 1),
            (self.u, patch.u, 2),
            (self.v, patch.v, 2),
        ):
            height, width = source.shape
            target[top // scale : top // scale + height, left // scale : left // scale + width] = source

    def fill(self, left: int, top: int, width: int, height: int, colour: RGB) -> None:
        """Fill a rectangle with one colour."""
        luma, blue, red = _components(colour)
        self.y[top : top + height, left : left + width] = luma
        half = np.s_[top // 2 : (top + height) // 2, left // 2 : (left + width) // 2]
        self.u[half] = blue
        self.v[half] = red


@dataclass(frozen=True)
class Sprite:
    """A picture drawn over black, with what share (0–256) of the ground shows through each sample."""

    over_black: Planes
    through_luma: NDArray[np.int32]
    through_chroma: NDArray[np.int32]

    def blend_onto(self, ground: Planes, left: int, top: int) -> None:
        """Blend with the corner at (left, top); odd positions are allowed (chroma rounds down)."""
        _blend(ground.y, self.over_black.y, self.through_luma, left, top, _LUMA_BLACK)
        for plane, source in ((ground.u, self.over_black.u), (ground.v, self.over_black.v)):
            _blend(plane, source, self.through_chroma, left // 2, top // 2, _CHROMA_GREY)


def planes_of(image: Image.Image) -> Planes:
    """Convert an RGB image of even size to limited-range BT.601, as VP8 carries it."""
    frame = av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
    return Planes(np.asarray(frame.reformat(format="yuv420p").to_ndarray(), np.uint8))


def sprite_of(on_black: Image.Image, on_white: Image.Image) -> Sprite:
    """Build a sprite from the same drawing over black and over white: their difference is what shows through."""
    difference = np.asarray(on_white, np.int32)[..., 1] - np.asarray(on_black, np.int32)[..., 1]
    through = np.clip(difference * 256 // 255, 0, 256).astype(np.int32)
    height, width = through.shape
    halved = through.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)).astype(np.int32)
    return Sprite(planes_of(on_black), through, halved)


def crossfade(old: Plane, new: Plane, share: int) -> Plane:
    """Return `new` mixed over `old`, `share` (0–256) of the way."""
    mixed = old.astype(np.uint16) * (256 - share) + new.astype(np.uint16) * share
    return (mixed >> 8).astype(np.uint8)


def _blend(ground: Plane, source: Plane, through: NDArray[np.int32], left: int, top: int, zero: int) -> None:
    """Source over ground for samples whose black is `zero`: source + through · (ground − zero)."""
    height, width = source.shape
    area = ground[top : top + height, left : left + width]
    area[:] = source + ((area.astype(np.int32) - zero) * through >> 8)


def _components(colour: RGB) -> tuple[int, int, int]:
    red, green, blue = colour
    luma = 16 + (66 * red + 129 * green + 25 * blue + 128 >> 8)
    return (
        luma,
        128 + (-38 * red - 74 * green + 112 * blue + 128 >> 8),
        128 + (112 * red - 94 * green - 18 * blue + 128 >> 8),
    )
