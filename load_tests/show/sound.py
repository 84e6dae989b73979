"""Stream position → 48 kHz mono samples: a soft vowel-like murmur over a quiet chord bed. Pure arrays.

The murmur follows `voice.py`, so it is loudest where the presenter's mouth is widest.
"""

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from load_tests.show.sections import SHOW_MS
from load_tests.show.voice import Syllable, syllable_envelope, syllables_between

SAMPLE_RATE: Final = 48_000
_SAMPLES_A_MS: Final = SAMPLE_RATE // 1000
_VOICE_PEAK: Final = 5_500
_BED_PEAK: Final = 900
_CHORD_S: Final = 3
_HIGHEST_HZ: Final = 3_200
# First and second formant of five vowels in Hz, rounded from Peterson and Barney (1952).
_FORMANTS: Final = {"a": (730, 1090), "e": (530, 1840), "i": (290, 2250), "o": (570, 840), "u": (330, 900)}
# D major, B minor, G major, A major, in a low open position.
_CHORDS_HZ: Final = (
    (146.8, 220.0, 293.7, 370.0),
    (123.5, 185.0, 293.7, 370.0),
    (98.0, 196.0, 246.9, 392.0),
    (110.0, 220.0, 277.2, 329.6),
)

Samples = NDArray[np.float32]


def samples_at(first_sample: int, count: int) -> NDArray[np.int16]:
    """Return `count` samples from sample number `first_sample` of the stream; the show loops."""
    first = first_sample % (SHOW_MS * _SAMPLES_A_MS)
    mixed = _bed_at(first, count)
    from_ms, to_ms = first / _SAMPLES_A_MS, (first + count) / _SAMPLES_A_MS
    for syllable in syllables_between(from_ms, to_ms):
        wave = _syllable_wave(syllable)
        offset = syllable.start_ms * _SAMPLES_A_MS - first
        source = slice(max(0, -offset), max(0, min(len(wave), count - offset)))
        start = max(0, offset)
        mixed[start : start + source.stop - source.start] += wave[source]
    return np.clip(mixed, -32_768, 32_767).astype(np.int16)


def _bed_at(first: int, count: int) -> Samples:
    """Cut `count` samples (at most the bed's length) out of the endless repetition of the bed."""
    bed = _bed()
    start = first % len(bed)
    return np.concatenate((bed[start : start + count], bed[: max(0, start + count - len(bed))]))


@lru_cache(maxsize=32)
def _syllable_wave(syllable: Syllable) -> Samples:
    """Sum the harmonics of a gently falling pitch, each weighted by the vowel's two formants."""
    count = syllable.duration_ms * _SAMPLES_A_MS
    time_s = np.arange(count) / SAMPLE_RATE
    fall = 1 - 0.08 * time_s / (syllable.duration_ms / 1000)
    phase = 2 * np.pi * np.cumsum(syllable.pitch_hz * fall) / SAMPLE_RATE
    wave = np.zeros(count)
    for harmonic in range(1, _HIGHEST_HZ // syllable.pitch_hz + 1):
        wave += _resonance(syllable.vowel, harmonic * syllable.pitch_hz) * np.sin(harmonic * phase)
    edges_ms = np.linspace(0, syllable.duration_ms, 65)
    loudness = [syllable_envelope(syllable, since_ms) for since_ms in edges_ms]
    envelope = np.interp(np.arange(count) / _SAMPLES_A_MS, edges_ms, loudness)
    scaled: Samples = (_VOICE_PEAK * envelope * wave / np.abs(wave).max()).astype(np.float32)
    return scaled


def _resonance(vowel: str, frequency_hz: float) -> float:
    """Return a harmonic's amplitude: a falling source spectrum under two resonances."""
    first, second = _FORMANTS[vowel]
    peaks = 1 / (1 + ((frequency_hz - first) / 110) ** 2) + 0.35 / (1 + ((frequency_hz - second) / 160) ** 2)
    tilt: float = min(1.0, (250 / frequency_hz) ** 0.7)
    return (0.06 + peaks) * tilt


@lru_cache(maxsize=1)
def _bed() -> Samples:
    """Render four chords of three seconds that fade into each other and around the loop."""
    count = len(_CHORDS_HZ) * _CHORD_S * SAMPLE_RATE
    time_s = np.arange(count) / SAMPLE_RATE
    bed = np.zeros(count)
    for index, chord in enumerate(_CHORDS_HZ):
        distance_s = np.abs((time_s - (index + 0.5) * _CHORD_S + count / SAMPLE_RATE / 2) % 12 - 6)
        weight = np.clip(1.25 - distance_s / _CHORD_S, 0, 1) ** 2
        for partial, frequency_hz in enumerate(chord):
            whole_periods_hz = round(frequency_hz * 12) / 12
            bed += weight * np.sin(2 * np.pi * whole_periods_hz * time_s + partial) / (partial + 1.5)
    scaled: Samples = (_BED_PEAK * bed / np.abs(bed).max()).astype(np.float32)
    return scaled
