"""The drawn presenter: a body with a gesturing hand, and a head with eyes and mouth. Pure drawing."""

from typing import Final

from PIL import Image

from load_tests.show.palette import AMBER, INK, PAPER, RGB, mixed
from load_tests.show.pen import Pen, Point

BODY_BOX: Final = (0, 720, 720, 1280)
HEAD_BOX: Final = (276, 724, 504, 1000)

_SKIN: Final[RGB] = (240, 203, 174)
_SKIN_SHADE: Final[RGB] = (221, 176, 146)
_HAIR: Final[RGB] = (44, 33, 38)
_JACKET: Final[RGB] = (62, 92, 142)
_JACKET_SHADE: Final[RGB] = (48, 74, 118)
_DESK: Final[RGB] = (52, 43, 46)
_LIPS: Final[RGB] = (188, 92, 88)
_MOUTH: Final[RGB] = (110, 40, 46)


def draw_body(ground: Image.Image, gesture: float) -> Image.Image:
    """Draw shoulders, desk and hands onto the ground of `BODY_BOX`; `gesture` (0–1) raises one hand."""
    pen = Pen(ground, BODY_BOX[:2])
    _draw_torso(pen)
    pen.panel((-40, 1196, 760, 1320), _DESK, 26)
    pen.panel((-40, 1196, 760, 1206), mixed(_DESK, AMBER, 0.35), 5)
    _draw_arm(pen, (560, 1150), (480, 1186), spread=0.0)
    wrist = (330 - 112 * gesture, 1188 - 132 * gesture)
    _draw_arm(pen, (212 - 12 * gesture, 1160 + 14 * gesture), wrist, spread=gesture)
    return pen.finished()


def draw_head(ground: Image.Image, mouth: float, *, blink: bool) -> Image.Image:
    """Draw the head onto a ground of the size of `HEAD_BOX`; `mouth` 0 (closed) to 1 (open)."""
    pen = Pen(ground, HEAD_BOX[:2])
    pen.ellipse((290, 726, 490, 940), _HAIR)
    pen.panel((290, 820, 490, 968), _HAIR, 46)
    pen.panel((358, 920, 422, 996), _SKIN_SHADE, 24)
    pen.ellipse((314, 752, 466, 948), _SKIN)
    pen.polygon([(308, 836), (318, 770), (390, 742), (462, 770), (472, 836), (440, 786), (372, 806)], _HAIR)
    pen.disc((338, 890), 15, _LIPS, 0.22)
    pen.disc((442, 890), 15, _LIPS, 0.22)
    _draw_eyes(pen, blink=blink)
    pen.line([(391, 862), (386, 884), (394, 886)], _SKIN_SHADE, 4)
    _draw_mouth(pen, mouth)
    return pen.finished()


def _draw_torso(pen: Pen) -> None:
    pen.panel((176, 1000, 604, 1500), _JACKET, 120)
    pen.polygon([(318, 1000), (462, 1000), (408, 1200), (372, 1200)], PAPER)
    pen.polygon([(358, 960), (422, 960), (426, 1012), (390, 1050), (354, 1012)], _SKIN_SHADE)
    pen.polygon([(322, 996), (352, 984), (390, 1058), (366, 1092)], mixed(PAPER, INK, 0.08))
    pen.polygon([(458, 996), (428, 984), (390, 1058), (414, 1092)], mixed(PAPER, INK, 0.08))
    pen.polygon([(378, 1058), (402, 1058), (408, 1082), (390, 1196), (372, 1082)], AMBER)
    pen.polygon([(320, 1000), (282, 1052), (318, 1076), (300, 1096), (382, 1210), (366, 1110)], _JACKET_SHADE)
    pen.polygon([(460, 1000), (498, 1052), (462, 1076), (480, 1096), (398, 1210), (414, 1110)], _JACKET_SHADE)


def _draw_arm(pen: Pen, elbow: Point, wrist: Point, *, spread: float) -> None:
    """Draw a forearm from elbow to wrist with a hand whose fingers open with `spread` (0–1)."""
    pen.line([elbow, wrist], _JACKET_SHADE, 60)
    dx, dy = wrist[0] - elbow[0], wrist[1] - elbow[1]
    length = max(1.0, (dx * dx + dy * dy) ** 0.5)
    ahead, aside = (dx / length, dy / length), (-dy / length, dx / length)

    def beyond(forward: float, sideways: float) -> Point:
        x = wrist[0] + ahead[0] * forward + aside[0] * sideways
        return x, wrist[1] + ahead[1] * forward + aside[1] * sideways

    pen.line([beyond(20, -14), beyond(20, 14)], PAPER, 22)
    for finger in range(4):
        sideways = (finger - 1.5) * 13
        pen.line([beyond(48, sideways), beyond(80, sideways * (1 + 0.7 * spread))], _SKIN, 14)
    thumb = -1 if wrist[0] < 390 else 1
    pen.line([beyond(40, -24 * thumb), beyond(58, (-34 - 14 * spread) * thumb)], _SKIN, 14)
    pen.disc(beyond(44, 0), 28, _SKIN)


def _draw_eyes(pen: Pen, *, blink: bool) -> None:
    for x in (357, 423):
        pen.line([(x - 17, 822), (x, 817), (x + 16, 821)], _HAIR, 5)
        if blink:
            pen.line([(x + dx, 852 - 5 * (dx / 13) ** 2) for dx in range(-13, 14, 2)], _HAIR, 4)
        else:
            pen.ellipse((x - 10, 834, x + 10, 860), _HAIR)
            pen.disc((x + 3, 842), 3.5, PAPER)


def _draw_mouth(pen: Pen, opening: float) -> None:
    if opening < 0.1:
        smile = [(390.0 + x, 915 - 8 * (x / 23) ** 2) for x in range(-23, 24, 2)]
        pen.line(smile, _LIPS, 5)
        return
    half_width, height = 19 - 3 * opening, 6 + 24 * opening
    pen.ellipse((390 - half_width - 4, 903, 390 + half_width + 4, 911 + height), _LIPS)
    pen.ellipse((390 - half_width, 907, 390 + half_width, 907 + height), _MOUTH)
    if opening > 0.4:
        pen.panel((390 - half_width * 0.7, 908, 390 + half_width * 0.7, 914), PAPER, 3)
