"""The forbidden phrases that ship with the package. Reads a package file."""

import csv
import importlib.resources
import io
from typing import cast

from chat.errors import ChatError
from chat.moderation import Action, Phrase


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
