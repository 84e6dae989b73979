"""Finds contacts that lead off the platform: links, WeChat, QQ, chat programs. Pure.

Phones are found by `chat.personal_data`. Not found: ids given as pictures or homophones beyond those listed, and an id
in the next message.
"""

import re

from chat.normalising import NormalisedText

_ENDS = "com|cn|net|org|top|xyz|vip|cc|io|me|app|info|link|shop|club|site|online|tv|hk|ltd|wang|ink|pro|live"
# On the lowered text, where dots and slashes still stand.
_LINK = re.compile(
    rf"https?:|\bwww\s?[.。点]|[a-z0-9-]\s?(?:[.。·]|点|dot|\[\.\])\s?(?:{_ENDS})(?![a-z0-9])|t\.me/|weixin://"
)
# On the folded text, where nothing separates the characters.
_WECHAT = re.compile(
    r"(?:微信|薇信|威信|徽信|徵信|微亻言|微x|v信|v芯|薇芯|加v|加微|加薇|加威|➕v)(?:号码|号|id|是|加|同号|搜|我|联系)*"
    r"(?:[a-z][a-z0-9]{5,19}|\d{5,12})"
)
_WECHAT_LATIN = re.compile(r"(?:wechat|weixin|vx|wx|vxin)(?:号|id|是|me|add)*[a-z]{0,15}\d[a-z0-9]{2,}")
_OTHERS = re.compile(
    r"(?:qq|扣扣|企鹅|秋秋)(?:群|号码|号|是|加)*\d{5,11}"
    r"|(?:telegram|whatsapp|电报|纸飞机|skype)(?:群|号|id|是|加|me)*[a-z]{0,15}\d[a-z0-9]{3,}"
)
# A mobile number in Chinese numerals, as it is dictated.
_SPOKEN = re.compile(
    r"[一幺壹1](?=[三四五六七八九叁肆伍陆柒捌玖3-9])[零一二两三四五六七八九幺壹贰叁肆伍陆柒捌玖0-9]{10}(?!\d)"
)
_CONTACTS = (_WECHAT, _WECHAT_LATIN, _OTHERS, _SPOKEN)

# Nearly every text is without; only then are links not looked for at all.
_DOTTED = re.compile(r"(?:[.。．·点]|dot)\s?[A-Za-zＡ-Ｚａ-ｚ]|\[\.\]")

# Without one of these in the folded text there is no contact but a dotted name; they are looked for with the phrases.
TRIGGERS = (
    *(
        "http",
        "微信",
        "薇信",
        "威信",
        "徽信",
        "徵信",
        "微亻言",
        "微x",
        "v信",
        "v芯",
        "薇芯",
        "加v",
        "加微",
        "加薇",
        "加威",
    ),
    *("wechat", "weixin", "vx", "wx", "qq", "扣扣", "企鹅", "秋秋", "telegram", "whatsapp", "电报", "纸飞机", "skype"),
    *(one + other for one in "一幺壹" for other in "三四五六七八九叁肆伍陆柒捌玖"),
)


def has_link(text: NormalisedText) -> bool:
    """Say whether the text holds a link or a dotted name."""
    return _DOTTED.search(text.text) is not None and _LINK.search(text.lowered) is not None


def is_contact(text: NormalisedText, start: int) -> bool:
    """Say whether the trigger found at folded[start] begins a way off the platform."""
    folded = text.folded
    return folded.startswith("http", start) or any(pattern.match(folded, start) is not None for pattern in _CONTACTS)
