"""Judging texts: the shipped list, evasions, disclosures that must pass, personal data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import ChatError
from chat.moderation import Moderator
from chat.normalising import says_something
from chat.personal_data import is_bank_card, is_id_card, mask
from chat.phrase_list import parse_phrases, shipped_phrases

MODERATOR = Moderator(shipped_phrases())
CHINESE_BLOCKS = [p.text for p in shipped_phrases() if p.action == "block" and not p.text.isascii()]
PARTERS = [" ", "\u200b", "\u3000", "·", "，", "🔥", "\ufe0f", "_", "...", "\u2060"]


@pytest.mark.parametrize("phrase", [p for p in shipped_phrases() if p.action != "allow"], ids=lambda p: p.text)
def test_every_phrase_of_the_list_is_caught(phrase: object) -> None:
    judgement = MODERATOR.judge(f"听说这个 {phrase.text} 呢")  # type: ignore[attr-defined]
    assert judgement.verdict == phrase.action  # type: ignore[attr-defined]
    assert phrase.note in judgement.reasons  # type: ignore[attr-defined]


@pytest.mark.parametrize("parter", PARTERS)
@pytest.mark.parametrize("phrase", CHINESE_BLOCKS)
def test_a_phrase_split_by_separators_is_caught(phrase: str, parter: str) -> None:
    assert MODERATOR.judge(parter.join(phrase)).verdict == "block"


@pytest.mark.parametrize(
    "text",
    [
        "保證收益",
        "保本保息絕對安全",
        "零風險",
        "ＮＯ　ＲＩＳＫ",
        "N-o R.i-s k",
        "Guaranteed收益",
        "no risks!",
        "ｃａｎ'ｔ lose",
    ],
)
def test_traditional_full_width_and_case_do_not_hide_a_phrase(text: str) -> None:
    assert MODERATOR.judge(text).verdict == "block"


@pytest.mark.parametrize(
    "text",
    [
        "理财非存款，产品有风险，投资须谨慎",
        "理财产品过往业绩不代表其未来表现，不等于理财产品实际收益，投资须谨慎",
        "本产品为非保本浮动收益型",
        "本产品不保证本金和收益，不保证收益",
        "不承诺收益",
        "无风险利率是多少",
        "最大回撤多少？",
        "returns are not guaranteed",
        "above the risk-free rate",
        "leisure wine",
        "casino risk",
        "版本号 no.10",
        "wechat payment supported?",
        "",
        "😀😀",
    ],
)
def test_what_must_pass_passes(text: str) -> None:
    judgement = MODERATOR.judge(text)
    assert (judgement.verdict, judgement.text) == ("pass", text)


@pytest.mark.parametrize("text", ["非保本？其实稳赚", "不保证收益但是刚性兑付", "risk-free rate? no, risk-free!"])
def test_an_allow_row_excuses_only_itself(text: str) -> None:
    assert MODERATOR.judge(text).verdict == "block"


@pytest.mark.parametrize(
    "text",
    [
        "加微信 abc12345",
        "薇❤信号：zhang_san8",
        "QQ群 12345678",
        "看 https://x.cn/a",
        "www.x",
        "x.com",
        "vx: a1b2c3",
        "138 1234 5678",
    ],
)
def test_contacts_off_the_platform_are_held(text: str) -> None:
    judgement = MODERATOR.judge(text)
    assert judgement.verdict == "hold"
    assert "off-platform contact" in judgement.reasons


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("打13812345678", "打138****5678"),
        ("138-1234-5678 139 1234 5678", "138-****-5678 139 **** 5678"),
        ("+86 138 1234 5678", "+86 1** **** 5678"),
        ("１３８１２３４５６７８", "１３８****５６７８"),
        ("11010519491231002X", "**************002X"),
        ("我的是110105 19491231 002x谢谢", "我的是****** ******** 002x谢谢"),
        ("4111-1111-1111-1111", "****-****-****-1111"),
        ("110105194912310021", "110105194912310021"),
        ("4111111111111112", "4111111111111112"),
        ("2026-11-20 12:30 买了 10000.00", "2026-11-20 12:30 买了 10000.00"),
        ("12345678901", "12345678901"),
        ("订单 20261201123456", "订单 20261201123456"),
    ],
)
def test_personal_data_is_starred_out_and_nothing_else(text: str, masked: str) -> None:
    assert mask(text).text == masked


@given(st.text(max_size=250))
def test_any_text_is_judged_and_keeps_its_length(text: str) -> None:
    assert len(MODERATOR.judge(text).text) == len(text)


def test_cards_of_fewer_digits_are_known_by_their_issuers() -> None:
    assert all(is_bank_card(card) for card in ("4222222222222", "30569309025904", "378282246310005"))
    assert not any(is_bank_card(other) for other in ("5222222222221", "20261201123456", "978282246310009"))


@pytest.mark.parametrize("text", ["", " \t\n", "\u3000", "\u200b\u200d\ufeff", "\u202e", "\u0301"])
def test_a_text_of_which_nothing_can_be_seen_says_nothing(text: str) -> None:
    assert not says_something(text)


@pytest.mark.parametrize("text", ["好", "?", "👍🏽", "\u200bx", "𠮷", "\U0001fae8", "\U0001fadf"])
def test_a_text_with_anything_to_be_seen_says_something(text: str) -> None:
    assert says_something(text)


@given(st.integers(0, 10**15 - 1))
def test_luhn_accepts_exactly_one_check_digit(number: int) -> None:
    assert sum(is_bank_card(f"{number:015d}{check}") for check in range(10)) == 1


@given(st.from_regex(r"[1-9][0-9]{5}19[0-9]{9}", fullmatch=True).filter(str.isascii))
def test_an_id_card_has_exactly_one_check_character(number: str) -> None:
    assert sum(is_id_card(number + check) for check in "0123456789X") == 1


@pytest.mark.parametrize("row", ["ban\tx\ty", "block\t\ty", "block"])
def test_a_list_with_a_mistake_is_refused(row: str) -> None:
    with pytest.raises(ChatError, match="not a phrase"):
        parse_phrases(f"action\tphrase\tnote\n{row}\n")


@pytest.mark.parametrize("text", ["这款保a本", "保1本", "稳x赚y不z赔", "保 b 本"])
def test_a_letter_or_digit_between_the_characters_does_not_hide_a_phrase(text: str) -> None:
    assert MODERATOR.judge(text).verdict == "block"


@pytest.mark.parametrize("text", ["不保a本", "A股和B股的区别", "买3年期还是5年期", "我要保ab本", "C3级能买R3吗"])
def test_words_and_numbers_between_characters_stay_words(text: str) -> None:
    assert MODERATOR.judge(text).verdict == "pass"
