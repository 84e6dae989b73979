"""Phrases that are denied rather than promised: 不存在保本, "nothing is guaranteed". Pure.

Only an unambiguous denial right before the phrase counts; questions (有没有保本) and rhetoric (不是稳赚是什么) do not.
"""

import re

# What may stand between the denial and what it denies, four times at most (没有任何产品能承诺).
_BETWEEN = (
    r"(?:再|有|任何|所谓的?|了|绝对的?|完全|进行|宣传|追求|相信|出现|做到"
    r"|变相|轻信|使用|为|会|说|承诺|保证|宣称|产品|理财|银行|可以|能够?|向(?:客户|投资者|投资人|公众|您|你)){0,4}$"
)
_HAN = re.compile(
    r"(?:不得|不能|不可能|不可|无法|不存在|禁止|严禁|打破|取消|杜绝|拒绝|并非|绝非|不等于|不代表|不意味着|不应|不要|请勿|切勿"
    r"|(?<!能)不(?:承诺|保证|担保|再)|不会(?:让|要求|承诺|宣传)(?:您|你|客户)?|(?<![特区级性类个分辨识鉴判告离])别"
    r"|(?<!有)没有|(?<![是这那道可])不是)" + _BETWEEN
)
# 能不能保本, 可不可能翻倍, 要不要加微信: the word before turns a denial into a question.
_NOT_HAN = re.compile(r"(?:能不能|会不会|可不可能?|要不要|应不应|是不是|有没有|不得不)" + _BETWEEN)
# 承诺保本的都是骗局。 The denial comes after what it denies, in the same clause, and ends it: 保本，是零门槛的 is none.
_AFTER_HAN = re.compile(
    r"[\"'”’」』》]?(?:的)?(?:产品|理财|项目|宣传|广告|承诺|说法)?(?:都|就|均|全|一律|多半?|基本)?(?:是|属于?|为)"
    r"(?:骗局|骗人|骗子|诈骗|违法|违规|非法|虚假|谎言|陷阱|零|0)(?:的|行为|宣传|广告)?(?=$|[，。；！,.;!])"
)
# Between the items of a list: 保本、保收益, "保本"或"零风险". A blank or a comma begins another sentence.
_NEXT_ITEM = re.compile(r"[\"'“”‘’「」『』《》]*(?:(?:、|或者?|以?及|和|与|/| or | nor )[\"'“”‘’「」『』《》]*)?")
_ASKING = re.compile(r"^.{0,6}?[吗嘛么]")
_LATIN = re.compile(
    r"\b(?:not|never|no|non|nor|neither|nothing|cannot|isn'?t|aren'?t|wasn'?t|weren'?t|without|hardly)"
    r"(?:(?: (?:be|is|are|was|a|an|any|the|been|in|principal|capital|return|fully|entirely|completely|always"
    r"|necessarily|ever|really|promised|such thing as)){0,3} |[- ])$"
    r"|\bno \w+ (?:is|are|can be)(?: ever)? $"
)
# "No, guaranteed!": words on both sides of a clause's end are not one phrase.
_CLAUSE_END = re.compile(r"[,;!?:，；！？：。…]\s*$|\.\s+$")


def denied_in_chinese(before: str, after: str) -> bool:
    """Say whether folded text denies the phrase that stands between `before` and `after`."""
    before = before[-10:]
    if _HAN.search(before) is None or _NOT_HAN.search(before) is not None:
        return False
    return not ("不是" in before and _ASKING.search(after))


def denied_afterwards(after: str) -> bool:
    """Say whether written text calls what stood right before it a fraud, an offence or nought."""
    return _AFTER_HAN.match(after[:16]) is not None


def goes_on(gap: str) -> bool:
    """Say whether what is written between two phrases makes them items of one list, which one denial denies."""
    return _NEXT_ITEM.fullmatch(gap) is not None


def denied_in_english(before: str) -> bool:
    """Say whether lowered text denies the phrase that follows it."""
    return _LATIN.search(before[-60:].replace("’", "'")) is not None


def ends_a_clause(gap: str) -> bool:
    """Say whether what stands between two words parts two clauses."""
    return _CLAUSE_END.search(gap) is not None and gap.strip() != gap
