"""Pictures and sound are functions of the stream position, and draw with the shipped fonts alone."""

from pathlib import Path

import numpy as np
import pytest

from load_tests.barcode import PICTURE_HEIGHT, PICTURE_WIDTH, read_barcode
from load_tests.show import picture, slide
from load_tests.show.font_subset import covered_characters, slide_characters
from load_tests.show.pen import FONT_DIR, FONT_FILES
from load_tests.show.sections import SECTIONS, SHOW_MS, Section, section_starts
from load_tests.show.sound import SAMPLE_RATE, samples_at
from load_tests.show.voice import gesture, mouth_opening, phrases


@pytest.mark.parametrize("font_file", FONT_FILES.values(), ids=lambda file: file.name)
def test_the_shipped_font_has_every_character_of_the_slides(font_file: Path) -> None:
    missing = slide_characters() - covered_characters(font_file)
    assert not missing, "run `python -m load_tests.show.font_subset`"


def test_the_fonts_licence_is_shipped_beside_them() -> None:
    licence = (FONT_DIR / "OFL.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert "Adobe" in licence


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.key)
def test_a_section_draws_itself_at_every_moment(section: Section) -> None:
    start = section_starts()[section.key]
    seen = set()
    for since_ms in range(0, section.duration_ms, 1_700):
        planes = picture.picture_at(start + since_ms, since_ms)
        assert planes.buffer.shape == (PICTURE_HEIGHT * 3 // 2, PICTURE_WIDTH)
        assert read_barcode(planes.y) == since_ms
        seen.add(planes.buffer.tobytes())
    assert len(seen) > 3


@pytest.mark.parametrize("position_ms", [0, 14_100, 75_000, SHOW_MS - 50])
def test_the_same_position_gives_the_same_picture(position_ms: int) -> None:
    first = picture.picture_at(position_ms, 7).buffer
    picture.picture_at(position_ms + 60_000, 8)
    assert np.array_equal(first, picture.picture_at(position_ms, 7).buffer)


def test_a_chart_ends_with_all_its_steps_done() -> None:
    for index, section in enumerate(SECTIONS):
        assert slide.chart_progress(index, 0) == 0
        progress = [slide.chart_progress(index, at_ms) for at_ms in range(0, section.duration_ms, 50)]
        assert progress == sorted(progress)
        assert progress[-1] == round(progress[-1]) > 0


def test_sound_is_the_same_however_it_is_cut() -> None:
    whole = samples_at(SAMPLE_RATE, 9_600)
    pieces = [samples_at(SAMPLE_RATE + start, 960) for start in range(0, 9_600, 960)]
    assert np.array_equal(whole, np.concatenate(pieces))


def test_sound_goes_on_without_a_click_where_the_show_loops() -> None:
    seam = samples_at(SHOW_MS * SAMPLE_RATE // 1000 - 480, 960).astype(np.int32)
    assert np.abs(np.diff(seam)).max() < 500


def test_the_mouth_opens_while_the_voice_sounds_and_only_then() -> None:
    stressed = phrases()[0]
    syllable = stressed.syllables[2]
    middle_ms = syllable.start_ms + syllable.duration_ms // 2
    assert mouth_opening(middle_ms) > 0.5
    assert gesture((stressed.start_ms + stressed.end_ms) // 2) > 0.9
    assert mouth_opening(stressed.end_ms + 50) == 0
    loud = np.abs(samples_at(middle_ms * 48, 960)).max()
    quiet = np.abs(samples_at((stressed.end_ms + 50) * 48, 960)).max()
    assert loud > 2 * quiet
