"""Finds contacts that lead off the platform: links, WeChat, QQ. Pure. Phones are found by `chat.personal_data`.

Not found: ids given as pictures or homophones beyond those listed, and an id in the next message.
"""

import re

from chat.normalising import NormalisedText

# On the lowered text, where dots and slashes still stand.
_LINK = re.compile(r"https?:|www\.|[a-z0-9-]\.(?:com|cn|net|org|top|xyz|vip|cc|io|me|app|info|link|shop)(?![a-z0-9])")
# On the folded text, where nothing separates the characters.
_WECHAT = re.compile(
    r"(?:微信|薇信|威信|徽信|微亻言|v信|加v|加微)(?:号码|号|id|是|加|同号|搜)*(?:[a-z][a-z0-9]{5,19}|\d{5,12})"
)
_WECHAT_LATIN = re.compile(r"(?:wechat|weixin|vx)(?:号|id|是)*[a-z]{0,15}\d[a-z0-9]{2,}")
_QQ = re.compile(r"(?:qq|扣扣|企鹅)(?:群|号码|号|是|加)*\d{5,11}")


def has_contact(text: NormalisedText) -> bool:
    """Say whether the text gives a way off the platform."""
    return _LINK.search(text.lowered) is not None or any(
        pattern.search(text.folded) for pattern in (_WECHAT, _WECHAT_LATIN, _QQ)
    )
