"""Turns sound input into almost sound input. Pure: chance comes in as an argument."""

from collections.abc import Sequence
from random import Random

INTERESTING = (0, 1, 2, 3, 4, 7, 8, 12, 15, 16, 31, 32, 63, 64, 127, 128, 191, 192, 223, 224, 254, 255)
LONGEST = 65_535


def mutated(chance: Random, data: bytes, most: int = 6) -> bytes:
    """Change up to `most` places: bits, bytes, lengths, pieces cut, doubled or torn off."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, most)):
        if not changed:
            break
        _change(chance, changed)
    return bytes(changed[:LONGEST])


def _change(chance: Random, data: bytearray) -> None:
    place, kind = chance.randrange(len(data)), chance.randrange(8)
    if kind == 0:
        data[place] ^= 1 << chance.randrange(8)
    elif kind == 1:
        data[place] = chance.choice(INTERESTING)
    elif kind == 2:
        data[place : place + 2] = chance.randrange(1 << 16).to_bytes(2, "big")
    elif kind == 3:
        del data[place : place + chance.choice((1, 2, 4, 16))]
    elif kind == 4:
        del data[place:]
    elif kind == 5:
        end = place + chance.choice((1, 4, 12, 40))
        data[place:place] = data[place:end]
    elif kind == 6:
        data[place:place] = chance.randbytes(chance.choice((1, 3, 4, 20)))
    else:
        data += chance.randbytes(chance.choice((1, 4, 60, 1_200)))


def mutated_text(chance: Random, text: str, words: Sequence[str]) -> str:
    """Change lines: drop, double, swap, glue, replace a piece by one of `words`; sometimes bytes as well."""
    lines = text.splitlines(keepends=True)
    for _ in range(chance.randint(1, 4)):
        place, kind = chance.randrange(len(lines) or 1), chance.randrange(6)
        if not lines:
            break
        if kind == 0:
            del lines[place]
        elif kind == 1:
            lines.insert(place, chance.choice(lines))
        elif kind == 2:
            lines[place] = lines[place].rstrip("\r\n")
        elif kind == 3:
            head, separator, _ = lines[place].partition(chance.choice((":", " ", "=", "/", ";")))
            lines[place] = f"{head}{separator}{chance.choice(words)}\r\n"
        elif kind == 4:
            lines[place] = lines[place].replace(chance.choice("0123456789 :"), chance.choice(words), 1)
        else:
            raw = mutated(chance, lines[place].encode(errors="replace"), 2)
            lines[place] = raw.decode("utf-8", "replace")
    return "".join(lines)
