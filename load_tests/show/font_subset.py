"""Regenerates the shipped fonts: `python -m load_tests.show.font_subset` (needs fonttools).

The slides use a few hundred characters, so two subsets of Noto Sans CJK SC (SIL Open Font License 1.1,
from Debian's package fonts-noto-cjk) are shipped under another name, and a machine without any Chinese
font draws the same show. Run it again after a slide's text changed; a test says when it is needed.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fontTools import subset
from fontTools.ttLib import TTFont

from load_tests.show.pen import FONT_FILES

_SOURCES: Final = {
    False: Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
    True: Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc"),
}
_FACE_SC: Final = 2  # the index of "Noto Sans CJK SC" in both collections
_NOT_DRAWN: Final = {"lines.py"}  # comments are text for pages, never part of the picture


def slide_characters() -> set[str]:
    """Return every character that stands in a string of the modules that draw, and printable ASCII."""
    characters = {chr(code) for code in range(0x20, 0x7F)}
    for module in sorted(Path(__file__).parent.glob("*.py")):
        if module.name not in _NOT_DRAWN:
            for text in _strings(ast.parse(module.read_text(encoding="utf-8"))):
                characters.update(text)
    return {character for character in characters if character.isprintable()}


def _strings(module: ast.Module) -> Iterator[str]:
    """Yield a module's strings, docstrings left out."""
    docstrings = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def covered_characters(font_file: Path) -> set[str]:
    """Return the characters a font file has a glyph for."""
    with TTFont(font_file) as font:
        return {chr(code) for code in font.getBestCmap()}


def write_subset(source: Path, target: Path, characters: set[str]) -> None:
    """Write the characters of the SC face of a collection as a font of its own, renamed."""
    options = subset.Options()
    options.layout_features = []
    options.hinting = False
    options.desubroutinize = True
    options.font_number = _FACE_SC
    options.name_IDs = [0, 1, 2, 4, 6, 13, 14]
    with subset.load_font(str(source), options) as font:
        subsetter = subset.Subsetter(options)
        subsetter.populate(text="".join(characters))
        subsetter.subset(font)
        style = target.stem.rpartition("-")[2]
        for name_id, name in ((1, "Wealthcast Show"), (4, f"Wealthcast Show {style}"), (6, target.stem)):
            font["name"].setName(name, name_id, 3, 1, 0x409)
        subset.save_font(font, str(target), options)


def main() -> int:
    """Write both subsets; 1 if the source fonts are not installed."""
    for bold, target in FONT_FILES.items():
        if not _SOURCES[bold].exists():
            print(f"{_SOURCES[bold]} is missing: install Debian's fonts-noto-cjk", file=sys.stderr)
            return 1
        write_subset(_SOURCES[bold], target, slide_characters())
        print(f"{target.name}: {target.stat().st_size} bytes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
