"""Characters that stand for others where Unicode's own compatibility mappings (NFKC) do not say so. Pure data.

Kept to what is written to evade: letters of other alphabets drawn like Latin ones, enclosed letters, radicals that
look like the character itself, Japanese forms, strokes used as separators.
"""

_HOMOGLYPHS = {
    "a": "аαɑᴀΑА",
    "b": "ьвЬВʙΒ",
    "c": "сϲᴄСⅽ",
    "d": "ԁᴅđƌɖ",
    "e": "еєεᴇЕΕҽ",
    "f": "ƒꜰғ",
    "g": "ɡɢցԍ",
    "h": "һнʜНΗհ",
    "i": "іıιɪІΙӏɩ",
    "j": "јᴊϳ",
    "k": "кκᴋКΚҝ",
    "l": "ʟłⅼ",
    "m": "мᴍМΜ",
    "n": "пηɴΝոռ",
    "o": "оοσᴏОΟօø",
    "p": "рρᴘРΡ",
    "q": "ԛզ",
    "r": "гʀŗɼ",
    "s": "ѕꜱЅʂ",
    "t": "тτᴛТΤŧ",
    "u": "υᴜսц",
    "v": "νᴠѵ",
    "w": "ԝᴡшω",
    "x": "хχХΧ",
    "y": "уүʏУΥγ",
    "z": "ᴢΖʐ",
}
# A radical (others are only ever separators), Japanese and variant forms beside the simplified character.
_HAN_FORMS = {
    "⻛": "风",
    "収": "收",
    "険": "险",
    "絶": "绝",
    "対": "对",
    "転": "转",
    "証": "证",
    "諾": "诺",
    "剰": "剩",
    "銭": "钱",
    "満": "满",
    "蔵": "藏",
    "夲": "本",
    "〇": "零",
    "倖": "幸",
    # Taiwan's 訊息 is the mainland's 消息.
    "訊": "消",
    "讯": "消",
}
# Strokes that Chinese readers use as dots and bars, and letters that show nothing: category says letter, eye says gap.
_BLANK = "丶丨丿亅乛々〻ㅤᅟᅠﾠー"


def _enclosed() -> dict[str, str]:
    """Letters in negative circles and squares, and regional indicators (flags), which NFKC leaves alone."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    starts = (0x1F150, 0x1F170, 0x1F1E6)
    found = {chr(start + i): letter for start in starts for i, letter in enumerate(letters)}
    digits = {chr(start + i): str(i + 1) for start in (0x2776, 0x2780, 0x278A) for i in range(9)}
    return {**found, **digits, "⓿": "0", "🄌": "0"}


LOOK_ALIKES: dict[str, str] = {
    **{other: letter for letter, others in _HOMOGLYPHS.items() for other in others},
    **_HAN_FORMS,
    **dict.fromkeys(_BLANK, ""),
    **_enclosed(),
}

# Digits and signs read as letters ("n0.1", "r1sk"); `l` and `i` are one, as `1` may be either.
READ_AS_LETTERS: dict[str, str] = {
    "0": "o",
    "1": "i",
    "3": "e",
    "4": "a",
    "5": "s",
    "7": "t",
    "8": "b",
    "@": "a",
    "$": "s",
    "€": "e",
    "l": "i",
}
