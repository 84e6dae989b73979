"""A frame-number barcode that survives VP8: drawn into and read back from the luma plane. Pure.

Geometry, for a picture of 720 × 1280 (any other size scales each axis by itself): 12 columns × 3 rows
of 16 × 16 px cells, top-left corner at (432, 144), so 192 × 48 px, to the right under a player's badges.
The four corner cells are fixed: white, black (top row), black, white (bottom row). The 32 others, row by
row, hold the 24-bit number, most significant bit first, and then its CRC-8 (polynomial 0x07, initial
value 0xFF). White is 1. Each cell is one macroblock of VP8: with smaller cells a realtime encoder in a
hurry left about one frame in a hundred unreadable. A reader looks at the middle of each cell only.

The number is a clock tick: `unix time in ms // TICK_MS`, modulo 2^24 (9.7 days). Consecutive frames
differ by 1, a frame the publisher skipped leaves a gap, and a reader that shares the clock gets the age
of the picture from `age_ms`.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

TICK_MS: Final = 50
NUMBERS: Final = 1 << 24
PICTURE_WIDTH: Final = 720
PICTURE_HEIGHT: Final = 1280
LEFT: Final = 432
TOP: Final = 144
CELL: Final = 16
COLUMNS: Final = 12
ROWS: Final = 3

_WHITE: Final = 235
_BLACK: Final = 16
_LEAST_CONTRAST: Final = 60
_CORNERS: Final = {0: 1, COLUMNS - 1: 0, (ROWS - 1) * COLUMNS: 0, ROWS * COLUMNS - 1: 1}
_PAYLOAD: Final = [cell for cell in range(ROWS * COLUMNS) if cell not in _CORNERS]

Luma = NDArray[np.uint8]


def number_at(unix_ms: int) -> int:
    """Return the number of the frame that belongs to this moment."""
    return unix_ms // TICK_MS % NUMBERS


def age_ms(number: int, now_unix_ms: int) -> int:
    """Return how long ago the tick `number` began; wrong only for pictures older than 9.7 days."""
    ticks = (now_unix_ms // TICK_MS - number) % NUMBERS
    return ticks * TICK_MS + now_unix_ms % TICK_MS


def draw_barcode(luma: Luma, number: int) -> None:
    """Write `number` (0 ≤ number < 2^24) into a 720 × 1280 luma plane (rows, columns), in place."""
    bits = np.empty(ROWS * COLUMNS, np.uint8)
    for cell, bit in _CORNERS.items():
        bits[cell] = bit
    word = number << 8 | _crc8(number)
    bits[_PAYLOAD] = [word >> shift & 1 for shift in range(31, -1, -1)]
    cells = np.where(bits.reshape(ROWS, COLUMNS) == 1, _WHITE, _BLACK).astype(np.uint8)
    block = cells.repeat(CELL, axis=0).repeat(CELL, axis=1)
    luma[TOP : TOP + ROWS * CELL, LEFT : LEFT + COLUMNS * CELL] = block


def read_barcode(luma: Luma) -> int | None:
    """Read the number out of a luma plane of any size; None if there is no barcode or it is damaged."""
    return decode_cells(_cell_means(luma))


def decode_cells(means: Sequence[float]) -> int | None:
    """Read the number from the mean luma of each cell, row by row; None if it is no barcode or a damaged one."""
    white = min(means[cell] for cell, bit in _CORNERS.items() if bit)
    black = max(means[cell] for cell, bit in _CORNERS.items() if not bit)
    if white - black < _LEAST_CONTRAST:
        return None
    threshold = (white + black) / 2
    word = 0
    for cell in _PAYLOAD:
        word = word << 1 | int(means[cell] > threshold)
    number = word >> 8
    return number if _crc8(number) == word & 0xFF else None


def _cell_means(luma: Luma) -> list[float]:
    """Average the middle half of every cell, row by row."""
    height, width = luma.shape
    x_scale, y_scale = width / PICTURE_WIDTH, height / PICTURE_HEIGHT
    means = []
    for row in range(ROWS):
        top, bottom = _middle_half(TOP + row * CELL, y_scale)
        for column in range(COLUMNS):
            left, right = _middle_half(LEFT + column * CELL, x_scale)
            means.append(float(luma[top:bottom, left:right].mean()))
    return means


def _middle_half(start: int, scale: float) -> tuple[int, int]:
    first = int((start + CELL / 4) * scale)
    return first, max(first + 1, int((start + CELL * 3 / 4) * scale))


def _crc8(number: int) -> int:
    """CRC-8 (polynomial x⁸+x²+x+1) over the three bytes of `number`, starting from 0xFF."""
    crc = 0xFF
    for byte in number.to_bytes(3, "big"):
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ 0x107 if crc & 0x80 else crc << 1
    return crc
