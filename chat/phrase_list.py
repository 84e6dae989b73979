"""The forbidden phrases: the list that ships with the package, or one that a deployment keeps. Reads files."""

import asyncio
import csv
import importlib.resources
import io
import logging
import os
from pathlib import Path
from typing import cast

from chat.errors import ChatError
from chat.moderation import Action, Judgement, Moderator, Phrase

log = logging.getLogger(__name__)


def parse_phrases(text: str) -> list[Phrase]:
    """Parse a tab-separated list with the header `action phrase note`.

    Raises ChatError `bad_phrase_list` that names the line, so that a typing error never silently allows a phrase.
    """
    phrases = []
    for row in csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE):
        action, phrase, note = row.get("action"), row.get("phrase"), row.get("note")
        if action not in ("block", "hold", "allow") or not phrase:
            raise ChatError("bad_phrase_list", f"not a phrase: {action!r} {phrase!r}")
        phrases.append(Phrase(cast(Action, action), phrase, note or ""))
    return phrases


def shipped_phrases() -> list[Phrase]:
    """Read the list that ships with the package."""
    resource = importlib.resources.files("chat") / "forbidden_phrases.tsv"
    return parse_phrases(resource.read_text(encoding="utf-8"))


class ReloadingModerator:
    """Judges by a file that may change while the program runs; `refresh` is to be called every few seconds.

    A list with a mistake changes nothing: the last good one stays in force and the log names the line.
    """

    def __init__(self, path: Path | None) -> None:
        """Without a path the shipped list is used; raises OSError or ChatError for a list that cannot be read."""
        self._path = path
        self._seen = self._stamp()
        self._moderator = self._load()

    def judge(self, text: str) -> Judgement:
        """Decide on one text by the list in force."""
        return self._moderator.judge(text)

    async def run(self, every_s: float = 2.0) -> None:
        """Look for a changed file until cancelled; to be run as one task of the owner's TaskGroup."""
        while True:
            await asyncio.sleep(every_s)
            # In a thread: a list of 20,000 phrases takes a while, and rooms must not wait for it.
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> bool:
        """Take a changed file into force; return whether that happened."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self._seen = stamp
            self._moderator = self._load()
        except (OSError, ChatError, UnicodeError):
            log.exception("the phrase list %s cannot be used; the last good one stays in force", self._path)
            return False
        return True

    def _stamp(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        status = os.stat(self._path)
        return status.st_mtime_ns, status.st_size

    def _load(self) -> Moderator:
        listed = shipped_phrases() if self._path is None else parse_phrases(self._path.read_text(encoding="utf-8"))
        return Moderator(listed)
