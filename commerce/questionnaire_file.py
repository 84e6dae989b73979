"""Where the questionnaire comes from: a deployment's file, or the one that ships with the package. Reads files."""

import importlib.resources
from pathlib import Path

from commerce.questionnaire import Questionnaire, read_questionnaire


def load_questionnaire(path: Path | None) -> Questionnaire:
    """Read it; raises OSError or ValueError for a file that cannot be used."""
    if path is not None:
        return read_questionnaire(path.read_text(encoding="utf-8"))
    shipped = importlib.resources.files("commerce") / "questionnaire.toml"
    return read_questionnaire(shipped.read_text(encoding="utf-8"))
