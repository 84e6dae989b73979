"""The show's colours, as 8-bit RGB: deep ink and navy, paper white, one warm accent. Data only."""

from typing import Final

RGB = tuple[int, int, int]

INK: Final[RGB] = (9, 20, 40)
NAVY: Final[RGB] = (17, 37, 70)
SLATE: Final[RGB] = (30, 54, 94)
LINE: Final[RGB] = (62, 88, 130)
MIST: Final[RGB] = (170, 186, 210)
PAPER: Final[RGB] = (247, 241, 230)
AMBER: Final[RGB] = (236, 173, 92)
CORAL: Final[RGB] = (226, 116, 88)
SAGE: Final[RGB] = (122, 192, 166)
SKY: Final[RGB] = (120, 164, 220)
RATINGS: Final[tuple[RGB, ...]] = (SAGE, (168, 194, 132), AMBER, (232, 144, 88), CORAL)


def mixed(first: RGB, second: RGB, share: float) -> RGB:
    """Return the colour `share` (0–1) of the way from `first` to `second`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
