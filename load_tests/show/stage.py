"""What is known of the room on stage, learned from its events. Pure but for the wake-up."""

import asyncio
from typing import Any

from load_tests.room_client import Event
from load_tests.show.airing import ON_AIR


class Stage:
    """What the host's connection shows of the room: state, publisher, card."""

    def __init__(self) -> None:
        self.state = ""
        self.publisher = ""
        self.card_product_id: str | None = None
        self.changed = asyncio.Event()
        self.airing = asyncio.Event()

    @property
    def on_air(self) -> bool:
        """Whether viewers are watching."""
        return self.state in ON_AIR

    def take(self, event: Event) -> None:
        """Learn from one room event."""
        match event.get("type"):
            case "welcome" if event["snapshot"] is not None:  # else what was missed follows as events
                self._learn(event["snapshot"])
                card = event["snapshot"].get("card")
                self.card_product_id = card["product_id"] if card else None
            case "state":
                self._learn(event)
            case "card_shown":
                self.card_product_id = event["card"]["product_id"]
            case "card_pulled":
                self.card_product_id = None

    def leave(self) -> None:
        """Know nothing any more: the room sent us away."""
        self.state, self.publisher, self.card_product_id = "", "", None
        self._tell()

    def _learn(self, facts: dict[str, Any]) -> None:
        self.state, self.publisher = facts["state"], facts["publisher"]
        self._tell()

    def _tell(self) -> None:
        self.changed.set()
        if self.on_air:
            self.airing.set()
        else:
            self.airing.clear()
