"""Which layer of a simulcast publisher one viewer gets: rules over its feedback, with time as an argument. Pure.

A viewer's REMB is bounded by what it receives (Chrome: 1.5 times), so it cannot say beforehand whether more would fit:
one step up is tried, and taken back when the estimate falls or packets are lost. A step that failed is tried again
after a delay that doubles, so that nobody flaps. An estimate that is merely low is no trouble; one that falls is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SETTLE_S = 1.0
"""No second change within this time; evidence from before a change says nothing about what came after."""
UP_AFTER_S = 2.0
"""Calm for so long before a step up."""
TRIAL_S = 20.0
"""A step up that is taken back within this time has failed."""
FIRST_RETRY_S, LONGEST_RETRY_S = 8.0, 64.0
FIRST_RETURN_S, LONGEST_RETURN_S = 4.0, 32.0
STARVED_AFTER_S = 3.0
"""The lowest layer does not fit for so long: the picture is left out, sound goes on."""
_LOSS_DOWN, _LOSS_UP, _LOSS_STARVING = 0.12, 0.06, 0.25
_FALL = 0.95
_DRAIN_S = 0.7
"""What is reported within this time of a change still tells of what queued up before it."""
_STAGNANT_S = 15.0
_CHOKE_WINDOW_S, _CHOKE_SHARE, _CHOKE_LEAST = 0.4, 0.3, 8
"""So great a part of the packets asked for again within the window, and so many, is a bottleneck; chance is not."""
_PACKET_BITS = 8_800
_SOUND_BPS = 48_000
_OVERHEAD = 1.1


@dataclass(frozen=True, slots=True)
class LayerRate:
    """A layer that flows, and what it takes."""

    layer: int
    bitrate_bps: int

    @property
    def needed_bps(self) -> float:
        """What a viewer must be able to receive for it: headers, repairs and sound beside the picture."""
        return self.bitrate_bps * _OVERHEAD + _SOUND_BPS


class LayerChoice:
    """One viewer's choice. `wanted` is the layer to send, None for sound only; it changes in `choose` alone."""

    __slots__ = (
        "_arrived_s", "_blocked_s", "_calm_s", "_changed_s", "_estimate_bps", "_fell_s", "_lost", "_lost_s",
        "_nacked", "_nacked_since_s",
        "_retry_s", "_return_s", "_risen_s", "_started", "_starving_s", "wanted",
    )  # fmt: skip

    def __init__(self) -> None:
        self.wanted: int | None = None
        self._started = False
        self._estimate_bps: int | None = None
        self._fell_s = self._risen_s = float("-inf")
        self._lost, self._lost_s = 0.0, float("-inf")
        self._nacked, self._nacked_since_s = 0, float("-inf")
        self._changed_s = self._calm_s = self._arrived_s = 0.0
        self._blocked_s: dict[int, float] = {}
        self._retry_s: dict[int, float] = {}
        self._return_s = FIRST_RETURN_S
        self._starving_s: float | None = None

    @property
    def starved(self) -> bool:
        """True while the picture is left out."""
        return self._started and self.wanted is None

    def estimated(self, bitrate_bps: int, now_s: float) -> None:
        """Take the viewer's own estimate of what it can receive (REMB), in bits a second."""
        before, self._estimate_bps = self._estimate_bps, bitrate_bps
        if before is None or bitrate_bps > before:
            self._risen_s = now_s
        elif bitrate_bps < before * _FALL:
            self._fell_s = now_s

    def lost(self, fraction: float, now_s: float) -> None:
        """Take the fraction lost since the last receiver report, 0..1; repaired packets count as lost too."""
        self._lost = fraction if self._lost_s < self._changed_s + _DRAIN_S else (self._lost + fraction) / 2
        self._lost_s = now_s

    def nacked(self, packets: int, now_s: float) -> None:
        """Take how many packets the viewer asks for again: it knows of a bottleneck before it estimates or reports."""
        if now_s - self._nacked_since_s > _CHOKE_WINDOW_S:
            self._nacked, self._nacked_since_s = 0, now_s
        self._nacked += packets

    def arrived(self, now_s: float) -> None:
        """The viewer now gets the wanted layer."""
        self._arrived_s = self._changed_s = self._calm_s = now_s

    def choose(self, ranked: Sequence[LayerRate], now_s: float) -> int | None:
        """Give the layer to send; `ranked` are those that flow, the best last. Without any the choice stays."""
        if not ranked:
            return self.wanted
        position = next((i for i, rate in enumerate(ranked) if rate.layer == self.wanted), None)
        if self.starved:
            self._return(ranked, now_s)
        elif position is None:
            self._change(self._start(ranked), now_s)
        elif now_s - self._changed_s >= SETTLE_S:
            self._weigh(ranked, position, now_s)
        self._started = True
        return self.wanted

    def _start(self, ranked: Sequence[LayerRate]) -> int:
        """The middle one at first and where the wanted one ended, or the best that an estimate allows below it."""
        middle = (len(ranked) - 1) // 2
        while middle and self._estimate_bps is not None and ranked[middle].needed_bps > self._estimate_bps:
            middle -= 1
        return ranked[middle].layer

    def _weigh(self, ranked: Sequence[LayerRate], position: int, now_s: float) -> None:
        rate = ranked[position]
        if self._troubled(rate, now_s):
            self._calm_s = now_s
            if position:
                target = self._below(ranked, position)
                for above in ranked[target + 1 : position + 1]:
                    self._block(above.layer, now_s)
                self._change(ranked[target].layer, now_s)
            else:
                self._starve(rate, now_s)
            return
        self._starving_s = None
        if now_s - self._arrived_s > TRIAL_S:
            self._retry_s.pop(rate.layer, None)
            self._return_s = FIRST_RETURN_S
        if position + 1 < len(ranked) and self._may_rise(ranked[position + 1], now_s):
            self._change(ranked[position + 1].layer, now_s)

    def _troubled(self, rate: LayerRate, now_s: float) -> bool:
        since_s = self._changed_s + _DRAIN_S
        if self._lost_s > since_s and self._lost >= _LOSS_DOWN:
            return True
        sent = rate.bitrate_bps / _PACKET_BITS * _CHOKE_WINDOW_S
        if self._nacked_since_s > since_s and self._nacked >= max(_CHOKE_LEAST, _CHOKE_SHARE * sent):
            return True
        if self._estimate_bps is None or self._estimate_bps >= rate.needed_bps:
            return False
        fell = self._fell_s > since_s and self._fell_s >= self._risen_s
        return fell or now_s - max(self._risen_s, self._changed_s) >= _STAGNANT_S

    def _below(self, ranked: Sequence[LayerRate], position: int) -> int:
        """The position of the best layer below that the estimate allows; the next where it says nothing against it."""
        estimate_bps = self._estimate_bps
        if estimate_bps is None or estimate_bps >= ranked[position].needed_bps:
            return position - 1
        return max((i for i in range(position) if ranked[i].needed_bps <= estimate_bps), default=0)

    def _may_rise(self, above: LayerRate, now_s: float) -> bool:
        if now_s - self._calm_s < UP_AFTER_S or now_s < self._blocked_s.get(above.layer, 0.0):
            return False
        return self._lost < _LOSS_UP or self._lost_s < self._changed_s

    def _block(self, layer: int, now_s: float) -> None:
        """After trouble on a layer it is left alone for a while, longer each time that it was a mere trial."""
        failed = now_s - self._arrived_s <= TRIAL_S
        before = self._retry_s.get(layer)
        wait_s = min(LONGEST_RETRY_S, 2 * before) if failed and before is not None else FIRST_RETRY_S
        self._retry_s[layer] = wait_s
        self._blocked_s[layer] = now_s + wait_s

    def _starve(self, lowest: LayerRate, now_s: float) -> None:
        severe = self._lost >= _LOSS_STARVING and self._lost_s > self._changed_s
        if self._estimate_bps is not None and self._estimate_bps < lowest.needed_bps * 0.7:
            severe = True
        if not severe:
            self._starving_s = None
        elif self._starving_s is None:
            self._starving_s = now_s
        elif now_s - self._starving_s >= STARVED_AFTER_S:
            self._change(None, now_s)

    def _return(self, ranked: Sequence[LayerRate], now_s: float) -> None:
        if now_s - self._changed_s < self._return_s:
            return
        self._return_s = min(LONGEST_RETURN_S, 2 * self._return_s)
        self._estimate_bps = None  # It was made of sound alone; the next one counts.
        self._change(ranked[0].layer, now_s)

    def _change(self, layer: int | None, now_s: float) -> None:
        self.wanted = layer
        self._changed_s = self._calm_s = now_s
        self._starving_s = None
