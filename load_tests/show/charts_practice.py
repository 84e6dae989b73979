"""The animated charts of the later sections, on practice: quota, buying, liquidity, closing. Pure drawing."""

from load_tests.show.charts import LEFT, RIGHT, share
from load_tests.show.palette import AMBER, CORAL, INK, LINE, MIST, PAPER, SAGE, SKY, SLATE
from load_tests.show.pen import Pen


def quota(pen: Pen, progress: float) -> None:
    """A quota bar that empties a little, and the three papers to read first."""
    left_share = 1 - 0.28 * share(progress, 0)
    pen.text((LEFT, 372), "剩余额度", 30, PAPER, bold=True)
    pen.text((RIGHT, 372), "实时更新 Live", 25, MIST, anchor="rs")
    pen.panel((LEFT, 388, RIGHT, 416), SLATE, 14)
    pen.panel((LEFT, 388, LEFT + (RIGHT - LEFT) * left_share, 416), AMBER, 14)
    papers = (
        ("风险揭示书", "Risk disclosure"),
        ("产品说明书", "Product terms"),
        ("费用与过往业绩", "Fees, past results"),
    )
    for step, (name, english) in enumerate(papers, start=1):
        seen = share(progress, step)
        top = 436 + (step - 1) * 70 + 14 * (1 - seen)
        pen.panel((LEFT, top, RIGHT, top + 58), SLATE, 14, seen)
        pen.text((LEFT + 24, top + 41), name, 31, PAPER, bold=True, opacity=seen)
        pen.text((RIGHT - 62, top + 39), english, 24, MIST, anchor="rs", opacity=seen)
        if seen == 1.0:
            pen.tick((RIGHT - 32, top + 29), SAGE)


def buying(pen: Pen, progress: float) -> None:
    """Four steps on a line, from the questionnaire to the receipt."""
    steps = (
        ("风险测评匹配", "Suitability check"),
        ("打开并阅读文件", "Read the documents"),
        ("亲手输入确认语", "Confirm in your words"),
        ("提交，截止前可撤单", "Submit, or cancel"),
    )
    pen.line([(120, 378), (120, 378 + 232)], SLATE, 4)
    reached = max(0.0, min(3.0, progress - 1))
    pen.line([(120, 378), (120, 378 + 232 * reached / 3)], AMBER, 4)
    for step, (name, english) in enumerate(steps):
        seen = share(progress, step)
        y = 378 + step * 77.4
        pen.disc((120, y), 27, SLATE)
        pen.disc((120, y), 27 * seen, AMBER)
        pen.text((120, y + 11), f"{step + 1}", 31, INK if seen > 0.5 else MIST, bold=True, anchor="ms")
        pen.text((168, y + 3), name, 33, PAPER, bold=True, opacity=0.3 + 0.7 * seen)
        pen.text((168, y + 32), english, 24, MIST, opacity=0.3 + 0.7 * seen)


def liquidity(pen: Pen, progress: float) -> None:
    """Six months of spending, of which three to six are kept at hand."""
    for month in range(6):
        seen = share(progress, month // 3)
        left = LEFT + month * 91
        colour = SAGE if month < 3 else SKY
        pen.outline((left, 384, left + 81, 516), LINE, 16, 2)
        pen.panel((left, 516 - 132 * seen, left + 81, 516), colour, 16, 0.9)
        pen.text((left + 40, 462), f"{month + 1}", 38, INK if seen > 0.6 else MIST, bold=True, anchor="ms")
    pen.text((LEFT, 366), "可随时取用的月支出", 27, MIST)
    pen.text((LEFT, 564), "3–6 个月支出，随时可取", 33, PAPER, bold=True, opacity=share(progress, 1))
    pen.text((LEFT, 598), "Three to six months of spending", 25, MIST, opacity=share(progress, 1))
    pen.text((LEFT, 642), "余下的，再看期限与风险", 30, AMBER, bold=True, opacity=share(progress, 2))


def closing(pen: Pen, progress: float) -> None:
    """Three things to take home."""
    lessons = (
        ("先测评，再看风险等级", "Know your level and the product's", SAGE),
        ("先读文件，再谈收益", "Read first; returns are not assured", AMBER),
        ("不懂不买，不急不催", "No need to hurry", CORAL),
    )
    for step, (lesson, english, colour) in enumerate(lessons):
        seen = share(progress, step)
        top = 356 + step * 98 + 18 * (1 - seen)
        pen.panel((LEFT, top, RIGHT, top + 86), SLATE, 18, seen)
        pen.panel((LEFT, top + 14, LEFT + 8, top + 72), colour, 4, seen)
        pen.text((LEFT + 32, top + 42), lesson, 35, PAPER, bold=True, opacity=seen)
        pen.text((LEFT + 32, top + 73), english, 24, MIST, opacity=seen)
