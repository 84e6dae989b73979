"""Inputs that once broke something, kept for ever: `tests/corpus/TARGET/HASH`. Does I/O."""

import hashlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "corpus"


def kept(target: str) -> list[bytes]:
    """Everything kept for a target."""
    folder = FOLDER / target
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []


def keep(target: str, data: bytes) -> Path:
    """Keep an input; returns its file."""
    path = FOLDER / target / hashlib.sha256(data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
