"""Stream position → the finished I420 picture. No I/O; keeps what it drew, within fixed bounds.

A frame costs a copy of the slide, a pasted body and a blended head; Pillow draws only while a chart
moves. The picture is a function of position and frame number alone.
"""

import math
from functools import lru_cache
from typing import Final

from PIL import Image

from load_tests.barcode import draw_barcode
from load_tests.show import presenter, slide, voice
from load_tests.show.palette import AMBER
from load_tests.show.planes import Planes, Sprite, crossfade, planes_of, sprite_of
from load_tests.show.sections import SECTIONS, SHOW_MS, section_at

_FADE_MS: Final = 400
_GESTURE_POSES: Final = 10
_MOUTH_POSES: Final = 4
_BLINK_EVERY_MS: Final = 3_700
_BLINK_MS: Final = 150
_LEAD_MS: Final = 2_000


def picture_at(position_ms: int, number: int) -> Planes:
    """Return the picture of a stream position with `number` in its barcode; the caller may keep it."""
    index, since_ms = section_at(position_ms)
    picture = _slide(index).copy()
    _draw_chart(picture, index, since_ms)
    if since_ms < _FADE_MS and position_ms >= _FADE_MS:
        _fade_from(picture, (index - 1) % len(SECTIONS), since_ms)
    _draw_progress(picture, index, since_ms)
    _draw_presenter(picture, position_ms)
    draw_barcode(picture.y, number)
    return picture


def wants_keyframe(position_ms: int) -> bool:
    """Say whether a whole picture should be encoded: VP8's denoiser leaves a ghost of the slide that faded out."""
    return section_at(position_ms)[1] == _FADE_MS


def prepare(position_ms: int) -> None:
    """Draw what the next two seconds need, so that no frame waits for it. Safe in another thread."""
    index, _ = section_at(position_ms + _LEAD_MS)
    _slide(index)
    _settled_chart(index, 0.0)
    for pose in range(_GESTURE_POSES + 1):
        _body(pose)


def _draw_chart(picture: Planes, index: int, since_ms: int) -> None:
    progress = slide.chart_progress(index, since_ms)
    settled = progress.is_integer()
    patch = _settled_chart(index, progress) if settled else planes_of(slide.chart(index, progress))
    picture.paste(patch, *slide.CHART_BOX[:2])


def _fade_from(picture: Planes, previous: int, since_ms: int) -> None:
    """Mix the end of the previous section into the heading and chart."""
    old = _slide(previous).copy()
    _draw_chart(old, previous, SECTIONS[previous].duration_ms)
    share = 256 * since_ms // _FADE_MS
    _, top, _, bottom = slide.HEADING_BOX
    picture.y[top:bottom] = crossfade(old.y[top:bottom], picture.y[top:bottom], share)
    half = slice(top // 2, bottom // 2)
    picture.u[half] = crossfade(old.u[half], picture.u[half], share)
    picture.v[half] = crossfade(old.v[half], picture.v[half], share)


def _draw_progress(picture: Planes, index: int, since_ms: int) -> None:
    for part in range(index + 1):
        left, top, right = slide.progress_segment(part)
        done = 1.0 if part < index else since_ms / SECTIONS[index].duration_ms
        width = int((right - left) * done) // 2 * 2
        picture.fill(left, top, width, 4, AMBER)


def _draw_presenter(picture: Planes, position_ms: int) -> None:
    gesture = voice.gesture(position_ms)
    picture.paste(_body(round(gesture * _GESTURE_POSES)), *presenter.BODY_BOX[:2])
    position = position_ms % SHOW_MS
    mouth = round(voice.mouth_opening(position) * _MOUTH_POSES)
    head = _head(mouth, position % _BLINK_EVERY_MS < _BLINK_MS)
    # Whole periods in one show, so that the head does not jump where the show loops.
    sway = round(5 * math.sin(2 * math.pi * 36 * position / SHOW_MS))
    nod = round(2 * math.sin(2 * math.pi * 80 * position / SHOW_MS) - 1.2 * mouth + 2 * gesture)
    left, top, _, _ = presenter.HEAD_BOX
    head.blend_onto(picture, left + sway, top + nod)


@lru_cache(maxsize=3)
def _slide(index: int) -> Planes:
    return planes_of(slide.slide(index))


@lru_cache(maxsize=8)
def _settled_chart(index: int, progress: float) -> Planes:
    return planes_of(slide.chart(index, progress))


@lru_cache(maxsize=_GESTURE_POSES + 1)
def _body(pose: int) -> Planes:
    ground = slide.stage().crop(presenter.BODY_BOX)
    return planes_of(presenter.draw_body(ground, pose / _GESTURE_POSES))


@lru_cache(maxsize=2 * (_MOUTH_POSES + 1))
def _head(mouth: int, blink: bool) -> Sprite:
    left, top, right, bottom = presenter.HEAD_BOX
    size = (right - left, bottom - top)
    drawings = [
        presenter.draw_head(Image.new("RGB", size, ground), mouth / _MOUTH_POSES, blink=blink)
        for ground in ("black", "white")
    ]
    return sprite_of(drawings[0], drawings[1])
