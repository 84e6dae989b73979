"""Who is missing before a show, another camera in it, the queue, a question, a poll and a ban, in real Chromium."""

import re
from pathlib import Path

import pytest

from server.demo.bank import CHECKER, HOST, MONITOR
from tests.journey.chromium import DESK, PHONE, Screen, chromium
from tests.journey.demo import Demo, running_demo
from tests.journey.test_journey import go_live

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

HELD = "这是最好的产品吗"
QUESTION = "封闭期多久可以赎回"
UNPLUGGED = """() => localStorage.setItem("wealthcast.devices", JSON.stringify({videoinput: "unplugged since"}))"""


async def test_held_reported_asked_voted_and_banned(demo_dir: Path) -> None:
    async with running_demo(demo_dir, "--no-sample", "--no-crowd") as demo, chromium(demo.base) as windows:
        broadcast_id = await approved_broadcast(demo)
        host = await windows.screen("host", DESK)
        mei = await windows.screen("mei", PHONE)
        bo = await windows.screen("bo", PHONE)
        monitor = await windows.screen("monitor", DESK)
        await host.open("/console", "linxiao")
        await host.page.locator(f'[data-testid="open-broadcast"][data-broadcast-id="{broadcast_id}"]').click()
        await missing_then_there(host, monitor, broadcast_id)
        await host.page.evaluate(UNPLUGGED)
        await go_live(host)
        await mei.open(f"/watch/{broadcast_id}", "mei")
        await bo.open(f"/watch/{broadcast_id}", "bo")
        await mei.plays()
        await another_camera(host, mei)

        await released(mei, bo, monitor)
        await answered(mei, bo, host)
        await voted(mei, bo, host)
        await reported_and_banned(mei, bo, monitor)
        await ended(host, bo)
        for screen in (host, mei, bo, monitor):
            assert screen.complaints == [], screen.name


async def approved_broadcast(demo: Demo) -> str:
    """One of the host's whose monitor is not there yet."""
    host, checker = await demo.sign_in(HOST.login), await demo.sign_in(CHECKER.login)
    draft = {"title": "周末答疑", "summary": "", "monitor_id": MONITOR.account_id}
    broadcast_id = str((await demo.call("POST", "/api/v1/broadcasts", host, draft))["broadcast_id"])
    for who, move in ((host, "submit"), (checker, "approve")):
        await demo.call("POST", f"/api/v1/broadcasts/{broadcast_id}/moves", who, {"move": move})
    return broadcast_id


async def missing_then_there(host: Screen, monitor: Screen, broadcast_id: str) -> None:
    """The console says who is missing and what they do, and notices by itself that they have come."""
    await host.at("preview").wait_for()
    row = host.page.locator('[data-testid="readiness"] [data-code="monitor_there"]')
    await row.filter(has_text=MONITOR.display_name).wait_for()
    await row.filter(has_text="请打开本场的监看页面").wait_for()
    assert await host.at("go-live").is_disabled()
    await host.shot("m0-monitor-missing")
    await monitor.open(f"/monitor/{broadcast_id}", MONITOR.login)
    await monitor.at("queue").wait_for()
    await host.page.locator('[data-testid="readiness"][data-ready="true"]').wait_for()
    assert await host.at("go-live").is_enabled()


async def another_camera(host: Screen, viewer: Screen) -> None:
    """Camera and microphone change during the show: the same session goes on, and the picture with it."""
    sent = """() => window.__peers.at(-1).getSenders().map((one) => one.track.getSettings().deviceId)"""
    for kind in ("videoinput", "audioinput"):
        before = await host.page.evaluate(sent)
        chosen = await host.at(kind).input_value()
        offered = await host.at(kind).locator("option").evaluate_all("(all) => all.map((one) => one.value)")
        other = next(one for one in offered if one not in (chosen, "default"))
        await host.at(kind).select_option(other)
        await host.until(f"(other) => ({sent})().includes(other)", other)
        assert await host.page.evaluate(sent) != before
    await host.shot("m0-other-camera")
    assert await host.at("publisher").get_attribute("data-phase") == "connected"
    await viewer.plays()


async def say(viewer: Screen, text: str) -> None:
    await viewer.at("comment-input").fill(text)
    await viewer.at("comment-send").click()


async def decide(monitor: Screen, act: str, reason: str) -> None:
    """Give the reason that every act asks for."""
    await monitor.at(f"{act}-reason").fill(reason)
    await monitor.at(f"{act}-confirm").click()
    await monitor.at(f"{act}-confirm").wait_for(state="detached")


async def released(mei: Screen, bo: Screen, monitor: Screen) -> None:
    await say(mei, HELD)
    await monitor.sees("queue-item", HELD)
    await monitor.shot("m1-queue")
    assert await bo.page.get_by_text(HELD).count() == 0
    await monitor.at("release").click()
    await decide(monitor, "release", "客户在提问")
    await bo.sees("comment", HELD)
    await monitor.page.get_by_test_id("queue-item").first.wait_for(state="detached")


async def answered(mei: Screen, bo: Screen, host: Screen) -> None:
    await mei.at("question-toggle").click()
    await say(mei, QUESTION)
    await bo.sees("comment", QUESTION)
    await host.page.get_by_test_id("comment").filter(has_text=QUESTION).get_by_test_id("pick").click()
    await bo.sees("picked-question", QUESTION)
    await host.at("answer-open").click()
    await host.at("answer-text").fill("保本保息")
    await host.at("answer-send").click()
    await host.page.get_by_text("请换一种说法").wait_for()
    await host.at("answer-text").fill("封闭期 180 天，到期自动赎回。")
    await host.at("answer-send").click()
    await bo.sees("answer", "封闭期 180 天")
    await host.at("announce-open").click()
    await host.at("announce-text").fill("今晚八点半回答三个问题")
    await host.at("announce-send").click()
    await bo.sees("announcement", "今晚八点半")


async def voted(mei: Screen, bo: Screen, host: Screen) -> None:
    await host.at("poll-open").click()
    await host.at("poll-question").fill("下一场想听什么")
    for index, option in enumerate(("债券基金", "养老规划")):
        await host.page.get_by_test_id("poll-option").nth(index).fill(option)
    await host.at("poll-send").click()
    for viewer, choice in ((mei, 0), (bo, 0)):
        await viewer.page.get_by_test_id("vote").nth(choice).click()
    for screen in (mei, bo, host):
        await screen.sees("poll-count", re.compile("^2$"))
    await bo.shot("m2-poll")
    await host.shot("m2-poll")
    await host.at("poll-close").click()
    await bo.sees("poll", "已结束")


async def reported_and_banned(mei: Screen, bo: Screen, monitor: Screen) -> None:
    await say(mei, "你们都是骗子")
    line = bo.page.get_by_test_id("comment").filter(has_text="你们都是骗子")
    await line.get_by_test_id("report").click()
    await bo.at("report-reason").fill("辱骂")
    await bo.at("report-confirm").click()
    await monitor.sees("queue-item", "1 人举报")
    await monitor.at("queue-remove").click()
    await decide(monitor, "remove", "辱骂")
    await line.wait_for(state="detached")
    await monitor.at("mute-all").click()
    for viewer in (mei, bo):  # seen before it is taken back: who hears of neither would talk into the silence
        await viewer.page.get_by_text("当前仅工作人员可以发言").first.wait_for()
    await monitor.page.locator('[data-testid="mute-all"][aria-pressed="true"]').click()  # it toggles what it shows
    await mei.page.get_by_text("当前仅工作人员可以发言").first.wait_for(state="hidden")  # or it would be refused
    await say(mei, "这是最强的")
    await monitor.sees("queue-item", "这是最强的")
    await monitor.at("ban").click()
    await decide(monitor, "ban", "多次违规")
    await mei.page.get_by_text("您已被移出直播间").first.wait_for()
    await mei.shot("m3-banned")
    await monitor.shot("m3-queue")


async def ended(host: Screen, bo: Screen) -> None:
    await host.at("end").click()
    await host.at("end-confirm").click()
    await bo.until("() => document.querySelector('[data-testid=state-banner]')?.dataset.state === 'ended'")
    await host.sees("broadcast-state", "已结束")
    await bo.shot("m4-ended")
    await bo.at("other-shows").click()
    await bo.at("open-broadcast").wait_for()
