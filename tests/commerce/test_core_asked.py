"""What a core's adapter does, which is somebody else's code, comes out as an answer or as none."""

import pytest

from commerce.core import Hold, HoldState
from commerce.core_asked import AskedCore, NoAnswer
from commerce.money import Money

HOLD = Hold("rf_1", "ac_a", Money(100, "CNY"))


class Odd:
    """An adapter of which each function is what the test gives."""

    def __init__(self, act: object) -> None:
        self._act = act

    def __getattr__(self, name: str) -> object:
        return self._act


def _raises(_: object) -> None:
    raise RuntimeError("before anything could be awaited")


async def _text(_: object) -> str:
    return "frozen"


async def _nonsense(_: object) -> str:
    return "iced"


async def _none(_: object) -> None:
    return None


@pytest.mark.parametrize(
    ("act", "answer"),
    [(_raises, NoAnswer.FAILED), (_nonsense, NoAnswer.FAILED), (_none, NoAnswer.FAILED), (_text, HoldState.FROZEN)],
)
async def test_whatever_an_adapter_gives_is_counted_and_stops_nobody(act: object, answer: object) -> None:
    core = AskedCore(Odd(act), 1.0)  # type: ignore[arg-type]
    assert await core.freeze(HOLD) is answer
    assert sum(core.answers.values()) == 1
