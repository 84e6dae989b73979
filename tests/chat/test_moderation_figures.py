"""Recall over generated evasions of every phrase, false verdicts over innocent talk, and what a comment costs."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from chat.moderation import Moderator, Phrase
from chat.phrase_list import ReloadingModerator, shipped_phrases
from tests.chat.evasions import CARRIERS, variants

PHRASES = shipped_phrases()
MODERATOR = Moderator(PHRASES)
INNOCENT = (Path(__file__).parent / "innocent_talk.txt").read_text(encoding="utf-8").splitlines()
Report = Callable[[str, object], None]


def caught(phrase: Phrase, text: str) -> bool:
    """A blocked phrase has to be blocked; one that is to be held must not pass."""
    verdict = MODERATOR.judge(text).verdict
    return verdict == "block" if phrase.action == "block" else verdict != "pass"


def test_at_least_99_percent_of_evasions_are_caught(record_property: Report) -> None:
    missed: Counter[str] = Counter()
    tried = 0
    for phrase in (one for one in PHRASES if one.action != "allow"):
        for name, written in variants(phrase.text):
            for carrier in CARRIERS:
                tried += 1
                missed[f"{name}: {phrase.text}"] += not caught(phrase, carrier.format(written))
    recall = 1 - missed.total() / tried
    record_property("recall", f"{recall:.4%} of {tried}")
    print(f"recall {recall:.3%} of {tried}; missed: {+missed}")
    assert recall >= 0.99


def test_at_most_1_percent_of_innocent_talk_is_stopped(record_property: Report) -> None:
    assert len(INNOCENT) >= 150
    stopped = [text for text in INNOCENT if MODERATOR.judge(text).verdict != "pass"]
    record_property("false_blocks", f"{len(stopped)} of {len(INNOCENT)}")
    print(f"stopped {len(stopped)} of {len(INNOCENT)}: {stopped}")
    assert len(stopped) <= 0.01 * len(INNOCENT)


def test_what_a_comment_costs_is_reported(record_property: Report) -> None:
    # A figure, never a failure: the machine is shared.
    talk = INNOCENT + [text for text in INNOCENT if len(text) > 20]
    costs = []
    for _ in range(15):
        started = time.perf_counter()
        for text in talk:
            MODERATOR.judge(text)
        costs.append((time.perf_counter() - started) / len(talk) * 1e6)
    figure = f"{sorted(costs)[len(costs) // 2]:.1f} us a comment (median of {len(costs)} rounds)"
    record_property("cost", figure)
    print(figure)


@pytest.mark.parametrize(
    "text",
    [
        "有没有保本的",
        "能不能保本",
        "是不是保本",
        "不是稳赚吗",
        "特别保本",
        "不得不说保本",
        "有无风险的产品",
        "的确保本",
        "能不能承诺保本",
        "不得不承诺保本",
        "会不会保证收益",
        "低风险高收益",
        "不保证收益但是刚性兑付",
        "不会亏损保本保收益",
        "没有风险保本",
        "不要怀疑，保本保收益",
        "不得不说保本保收益",
        "不是保本是什么",
        "能不能保本保收益都保",
        "不存在风险，保本保收益",
        "别的产品没有，我们保本保收益",
        "不承诺高收益，但保本",
        "没有人亏，稳赚不赔",
        "不保本才怪，保收益",
        "我们不会让您亏，保本保收益",
        "说保本的是0风险",
        "不存在保本 稳赚不赔",
    ],
)
def test_a_question_and_rhetoric_are_not_denials(text: str) -> None:
    assert MODERATOR.judge(text).verdict != "pass"


@pytest.mark.parametrize(
    "tail",
    [
        "，是零门槛的", "，都是零手续费", "。就是零费用", "，为零起点", "，是骗你我倒贴", "的产品是零手续费",
        "都是骗你我倒贴", "是零风险", "，是违法的？不",
        "、没有套路", "，绝不是骗局", "就是骗局？不存在", "，不承诺别的", "是虚假宣传吗",
    ],
)  # fmt: skip
def test_no_tail_excuses_a_promise(tail: str) -> None:
    promises = [one.text for one in PHRASES if one.action == "block" and not one.text.isascii()]
    assert [promise for promise in promises if MODERATOR.judge(promise + tail).verdict == "pass"] == []


@pytest.mark.parametrize(
    "text",
    ["n0.1", "N０．１", "n°.1 № 1", "Gu@ranteed", "$ure w1n", "no r!sk", "d0uble y0ur m0ney", "doubIe your money"],
)
def test_digits_and_signs_for_letters_do_not_hide_a_phrase(text: str) -> None:
    assert MODERATOR.judge(text).verdict != "pass"


def test_a_changed_list_is_in_force_without_a_restart_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "phrases.tsv"
    path.write_text("action\tphrase\tnote\nblock\t天上掉馅饼\tpromise\n", encoding="utf-8")
    moderator = ReloadingModerator(path)
    assert moderator.judge("天上掉馅饼").verdict == "block"
    assert moderator.judge("躺赚").verdict == "pass"
    assert moderator.refresh() is False
    path.write_text("action\tphrase\tnote\nblock\t躺赚\tcertain gain\n", encoding="utf-8")
    assert moderator.refresh() is True
    assert moderator.judge("躺 赚").verdict == "block"
    path.write_text("action\tphrase\tnote\nforbid\t躺赢\tcertain gain\n", encoding="utf-8")
    assert moderator.refresh() is False
    path.unlink()
    assert moderator.refresh() is False
    assert moderator.judge("躺赚").verdict == "block"
