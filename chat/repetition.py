"""Finds the same text said again and again, by one person or by a crowd that was told to. Pure: time is an argument.

Counted within one process: a crowd spread over gateways is noticed at as many times the number.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Literal

Finding = Literal["repeat", "flood"]


@dataclass(frozen=True, slots=True)
class RepetitionLimits:
    """`repeats`: one person's same text within `repeat_s`; `crowd`: people with one long text within `crowd_s`.

    Short texts ("666", "买") are what a host asks a crowd to type, so they are no flood.
    """

    repeats: int = 3
    repeat_s: float = 30.0
    crowd: int = 12
    crowd_s: float = 10.0
    long_chars: int = 10
    remembered: int = 20_000


class Repetition:
    """Remembers what was said lately, and no longer than it matters; overflow policy: *forget the oldest*."""

    def __init__(self, limits: RepetitionLimits | None = None) -> None:
        self._limits = limits or RepetitionLimits()
        self._said: OrderedDict[tuple[str, str, str], deque[tuple[float, str]]] = OrderedDict()

    def find(self, broadcast_id: str, account_id: str, message_id: str, text: str, now_s: float) -> Finding | None:
        """Note a folded text and say whether it is one too many; the same message id again is the same message."""
        limits = self._limits
        if self._note((broadcast_id, account_id, text), message_id, now_s, limits.repeat_s) > limits.repeats:
            return "repeat"
        if len(text) < limits.long_chars:
            return None
        people = self._note((broadcast_id, "", text), account_id, now_s, limits.crowd_s)
        return "flood" if people > limits.crowd else None

    def _note(self, key: tuple[str, str, str], who: str, now_s: float, within_s: float) -> int:
        said = self._said.setdefault(key, deque(maxlen=64))
        self._said.move_to_end(key)
        while said and now_s - said[0][0] > within_s:
            said.popleft()
        if all(who != other for _, other in said):
            said.append((now_s, who))
        self._forget(now_s)
        return len(said)

    def _forget(self, now_s: float) -> None:
        # Two at a time keep up with the two that a comment notes, and the cost of one comment bounded.
        longest_s = max(self._limits.repeat_s, self._limits.crowd_s)
        for _ in range(2):
            oldest = next(iter(self._said.values()))
            if len(self._said) <= self._limits.remembered and (not oldest or now_s - oldest[-1][0] <= longest_s):
                return
            self._said.popitem(last=False)
