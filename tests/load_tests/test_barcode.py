"""The barcode survives what happens to a picture between publisher and viewer."""

from fractions import Fraction

import av
import numpy as np
import pytest
from aiortc.codecs.vpx import Vp8Encoder, vp8_depayload
from hypothesis import given
from hypothesis import strategies as st

from load_tests.barcode import NUMBERS, TICK_MS, Luma, age_ms, draw_barcode, number_at, read_barcode

HEIGHT, WIDTH = 1280, 720


def noisy_luma(seed: int) -> Luma:
    """A picture that is hard to compress: 16-pixel blocks that change with every frame."""
    blocks = np.random.default_rng(seed).integers(16, 236, (HEIGHT // 16, WIDTH // 16))
    return blocks.repeat(16, axis=0).repeat(16, axis=1).astype(np.uint8)


@given(st.integers(0, NUMBERS - 1))
def test_every_number_reads_back(number: int) -> None:
    luma = np.zeros((HEIGHT, WIDTH), np.uint8)
    draw_barcode(luma, number)
    assert read_barcode(luma) == number


@given(st.integers(0, 2**42), st.integers(0, 60_000))
def test_age_is_the_time_since_the_tick_began(shown_ms: int, later_ms: int) -> None:
    age = age_ms(number_at(shown_ms), shown_ms + later_ms)
    assert age == later_ms + shown_ms % TICK_MS


@pytest.mark.parametrize("seed", range(3))
def test_a_picture_without_a_barcode_reads_none(seed: int) -> None:
    assert read_barcode(np.full((HEIGHT, WIDTH), 40 * seed, np.uint8)) is None


def test_a_flipped_cell_is_noticed() -> None:
    luma = np.zeros((HEIGHT, WIDTH), np.uint8)
    draw_barcode(luma, 4242)
    cell = luma[144:160, 448:464]
    cell[:] = 251 - cell
    assert read_barcode(luma) is None


@pytest.mark.parametrize(("width", "height"), [(540, 960), (390, 693)])
def test_the_barcode_reads_from_a_scaled_picture(width: int, height: int) -> None:
    luma = noisy_luma(1)
    draw_barcode(luma, 0xA5F00F)
    frame = av.VideoFrame.from_ndarray(luma, format="gray").reformat(width=width, height=height)
    assert read_barcode(np.asarray(frame.to_ndarray(), np.uint8)) == 0xA5F00F


def test_numbers_survive_real_vp8_in_order() -> None:
    """The encoder is the publisher's, at its default bitrate, over pictures worse than the show's."""
    encoder = Vp8Encoder()
    decoder = av.CodecContext.create("libvpx", "r")
    numbers = [NUMBERS - 5 + index for index in range(5)] + list(range(20))
    read = []
    for index, number in enumerate(numbers):
        picture = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        picture[:HEIGHT] = noisy_luma(index)
        draw_barcode(picture[:HEIGHT], number)
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = index * 4500, Fraction(1, 90_000)
        payloads, _ = encoder.encode(frame)
        packet = av.Packet(b"".join(vp8_depayload(payload) for payload in payloads))
        for decoded in decoder.decode(packet):
            read.append(read_barcode(np.asarray(decoded.to_ndarray()[:HEIGHT], np.uint8)))
    assert read == numbers
