"""Words in which a forbidden phrase stands by chance (确保本人), terms of art, and questions. Pure data.

Whatever the list, they excuse what begins within them, as its own allow rows do. `UNLESS_BEFORE` and `UNLESS_AFTER`
name what must not stand beside them: 有无风险 asks, 有无风险的产品 wants one.
"""

EXCUSING = (
    # Disclosures and terms.
    *(
        "不保本",
        "不保息",
        "不保收益",
        "非刚性兑付",
        "打破刚性兑付",
        "打破了刚性兑付",
        "无风险收益率",
        "没有保障",
        "没保障",
    ),
    *("高收益意味着高风险", "高收益伴随高风险", "高收益高风险", "高风险高收益", "不代客理财", "不代客户理财"),
    *("最好先", "最好看一下", "最好看看", "最好问", "最好不要", "最好别", "最好再"),
    *("最大亏损", "最大损失", "最大跌幅", "最大的担心", "最大的风险"),
    *("不一定涨", "不会翻倍", "会不会亏", "有无风险"),
    # Other words that hold the characters.
    *("确保本人", "确保本次", "确保本场", "确保本行", "确保本期", "确保本产品", "投保本产品", "投保本险", "投保本人"),
    *("担保本人", "真正收益", "修正收益", "校正收益", "提高收益", "未必赚", "不必赚", "何必赚", "一定涨幅", "一定涨跌"),
    *("清零风险", "规避险"),
    *(
        f"no risk {noun}"
        for noun in (
            *("assessment", "rating", "level", "profile", "appetite", "tolerance", "warning", "disclosure"),
            *("questionnaire", "control", "management", "premium", "free"),
        )
    ),
    *(f"zero risk {noun}" for noun in ("tolerance", "appetite", "weight")),
    *(f"can't lose {noun}" for noun in ("my", "track", "sight", "access")),
)
UNLESS_BEFORE: dict[str, str] = dict.fromkeys((word for word in EXCUSING if word.startswith("确保")), "的")
UNLESS_AFTER: dict[str, tuple[str, ...]] = {"有无风险": ("的", "产品", "理财", "收益高", "高收益")}
