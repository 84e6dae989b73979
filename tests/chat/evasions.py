"""How people write a forbidden phrase so that a list does not find it: generated for every phrase. Pure."""

import random
from collections.abc import Callable, Iterator

import opencc

_to_traditional = opencc.OpenCC("s2t")
_to_taiwan_words = opencc.OpenCC("s2twp")
_to_taiwan = opencc.OpenCC("s2tw")

PARTERS = {
    "space": " ",
    "ideographic space": "\u3000",
    "thin space": "\u2009",
    "no-break space": "\u00a0",
    "tab": "\t",
    "zero-width space": "\u200b",
    "zero-width joiner": "\u200d",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "left-to-right mark": "\u200e",
    "isolate": "\u2068",
    "tag": "\U000e0041",
    "variation selector": "\ufe0f",
    "far variation selector": "\U000e0101",
    "combining stroke": "\u0336",
    "combining enclosure": "\u20dd",
    "grapheme joiner": "\u034f",
    "dot": ".",
    "middle dot": "·",
    "katakana dot": "・",
    "half-width katakana dot": "･",
    "full-width comma": "，",
    "enumeration comma": "、",
    "hyphen": "-",
    "underscore": "_",
    "star": "*",
    "bar": "|",
    "tilde": "～",
    "ellipsis": "...",
    "slash": "/",
    "emoji": "🔥",
    "emoji sequence": "👨\u200d👩\u200d👧",
    "skin tone": "👍🏽",
    "heart": "❤\ufe0f",
    "fire": "🔥",
    "box": "■",
    "hangul filler": "\u3164",
    "braille blank": "\u2800",
    "stroke as dot": "丶",
    "private use": "\ue000",
    "brackets": "】【",
    "flag": "🇨🇳",
    "keycap": "1\ufe0f\u20e3",
    "trade mark": "™",
    "registered": "®",
    "circled secret": "㊙",
    "squared letter": "🅰\ufe0f",
    "circled letter": "Ⓜ\ufe0f",
    "ideographic zero": "〇",
    "repetition mark": "々",
    "currency": "￥",
    "arrow": "→",
    "kaomoji": "^_^",
    "line break": "\n",
}
_HOMOGLYPHS = str.maketrans("aeopcxyiskhmt", "аеорсхуіѕкнмт")
_DIGITS = str.maketrans("oieas", "01345")
_SMALL_CAPITALS = str.maketrans("abcdefghijklmnoprstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ")


def _full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else "\u3000" if c == " " else c for c in text)


def _letters_from(start: int) -> Callable[[str], str]:
    return lambda text: "".join(chr(start + ord(c) - 97) if "a" <= c <= "z" else c for c in text)


LATIN: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "title": str.title,
    "full width": _full_width,
    "cyrillic": lambda text: text.translate(_HOMOGLYPHS),
    "digits": lambda text: text.translate(_DIGITS),
    "small capitals": lambda text: text.translate(_SMALL_CAPITALS),
    "circled": _letters_from(0x24D0),
    "negative squared": _letters_from(0x1F170),
    "negative circled": _letters_from(0x1F150),
    "regional": _letters_from(0x1F1E6),
    "parenthesised": _letters_from(0x249C),
    "bold": _letters_from(0x1D41A),
    "double-struck": _letters_from(0x1D552),
    "accents": lambda text: text.replace("e", "é").replace("o", "ö").replace("a", "å").replace("i", "ï"),
    "zalgo": lambda text: "".join(c + "\u0337\u0301" for c in text),
    "joined": lambda text: text.replace(" ", ""),
    "hyphens": lambda text: text.replace(" ", "-"),
    "double spaces": lambda text: text.replace(" ", "  "),
    "curly apostrophe": lambda text: text.replace("'", "’"),
    "override": lambda text: f"\u202e{text[::-1]}\u202c",
}
HAN: dict[str, Callable[[str], str]] = {
    "traditional": _to_traditional.convert,
    "taiwan": _to_taiwan.convert,
    "taiwan's words": _to_taiwan_words.convert,
    "traditional spaced": lambda text: " ".join(_to_traditional.convert(text)),
    "traditional with emoji": lambda text: "💰".join(_to_traditional.convert(text)),
    "override": lambda text: f"\u202e{text[::-1]}\u202c",
    "full-width brackets": lambda text: "".join(f"【{c}】" for c in text),
    "emoji between all": lambda text: "🔥" + "🔥".join(text) + "🔥",
    "two parters": lambda text: "\u200b·".join(text),
}


def variants(phrase: str, seed: int = 7) -> Iterator[tuple[str, str]]:
    """Every way to write one phrase, with the way's name; the same for the same seed."""
    yield "as it is", phrase
    for name, parter in PARTERS.items():
        yield name, parter.join(phrase)
    for name, change in (LATIN if phrase.isascii() else HAN).items():
        yield name, change(phrase)
    draw = random.Random(f"{seed} {phrase}")
    signs = [*PARTERS.values()]
    for number in range(12):
        parted = phrase[0] + "".join(draw.choice(["", *draw.sample(signs, 3)]) + c for c in phrase[1:])
        yield f"drawn {number}", parted.upper() if phrase.isascii() and number % 2 else parted


CARRIERS = [
    *("{}", "听说这个 {} 呢", "大家放心，{}！", "是不是{}", "有{}的吗", "really {} here", "，{}。"),
    *("不骗你，{}", "没人告诉你{}", "其实{}，不用担心", "我不会骗人{}", "能不能{}", "Buy now, {}!"),
]
