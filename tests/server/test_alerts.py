"""The alert rules: of metrics that exist, in the manual, each tried by promtool, some fired by a Prometheus."""

import asyncio
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.embedded.valkey import start_valkey
from server.metrics.families import FAMILIES
from server.program import running
from server.settings import load_settings
from tests.commerce.bank import DATA_KEYS
from tests.journey.demo import free_port
from tests.server.people import TOKENS

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
CASES = ROOT / "deploy" / "prometheus" / "alerts_test.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "wealthcast.json"
PATIENCE_S = 60.0
needs_prometheus = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")),
    reason="prometheus is not here: apt install prometheus",
)


def _alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)", RULES.read_text())


@pytest.mark.parametrize("document", [RULES, CASES, DASHBOARD], ids=lambda path: path.name)
def test_every_metric_that_rules_and_dashboard_name_exists(document: Path) -> None:
    endings = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
    known = {family.shown + ending for family in FAMILIES for ending in endings[family.kind]}
    named = set(re.findall(r"wealthcast_\w+", document.read_text()))
    assert len(named) > 15
    assert named <= known


def test_every_alert_has_a_case_that_fires_waits_and_stays_quiet() -> None:
    beyond, within = CASES.read_text().split("  - name: ")[1:]
    assert re.findall(r"- alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:\n +- exp_labels", beyond) == _alerts()
    assert re.findall(r"- \{alertname: (\w+), eval_time: \w+\}\n", beyond) == _alerts()
    assert re.findall(r"- \{alertname: (\w+), eval_time: \w+\}\n", within) == _alerts()
    assert "exp_alerts" not in within


def test_the_cases_series_have_the_labels_that_the_program_gives_them() -> None:
    by_sample = {sample: family for family in FAMILIES for sample in (family.shown, f"{family.shown}_bucket")}
    series = re.findall(r"series: '(wealthcast_\w+)\{(.+)\}'", CASES.read_text())
    assert len(series) > 60
    for name, labels in series:
        family = by_sample[name]
        own = {*family.labels, "process", *(["le"] if family.kind == "histogram" else [])}
        assert set(re.findall(r'(\w+)="', labels)) == own, name


def test_no_label_is_one_that_prometheus_gives_to_the_process() -> None:
    # Such a label would be renamed to exported_… at the scrape, and a rule's `process` be the supervisor's own.
    assert [one.name for one in FAMILIES if {"process", "role", "job", "instance"} & set(one.labels)] == []


def test_every_alert_stands_in_the_manual_with_what_to_do() -> None:
    section = (ROOT / "docs" / "operations.md").read_text().split("## Alerts")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \| (?:warning|critical) \| [^|]+ \| ([^|]{30,}) \|$", section, re.MULTILINE)
    assert [name for name, _ in rows] == _alerts()


def test_the_dashboard_is_what_grafana_reads() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    identifiers = [panel["id"] for panel in dashboard["panels"]]
    assert len(identifiers) == len(set(identifiers)) > 20
    assert all(target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ()))


@needs_prometheus
def test_promtool_finds_rules_and_configuration_sound_and_every_case_right() -> None:
    configuration = ROOT / "deploy" / "prometheus" / "prometheus.yml"
    checks = (["check", "rules", str(RULES)], ["check", "config", str(configuration)], ["test", "rules", str(CASES)])
    for command in checks:
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


class Prometheus:
    """A real one, asked by its API."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self._base = f"http://127.0.0.1:{port}/api/v1"
        self._session = session

    async def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire now, each with its part, if it is of one."""
        try:
            async with self._session.get(f"{self._base}/alerts") as answer:
                alerts: list[dict[str, Any]] = (await answer.json())["data"]["alerts"]
        except aiohttp.ClientError:  # it is still starting
            return set()
        return {
            (one["labels"]["alertname"], one["labels"].get("part", "")) for one in alerts if one["state"] == "firing"
        }

    async def until(self, *expected: tuple[str, str]) -> set[tuple[str, str]]:
        """Wait until all of these fire; give all that do."""
        async with asyncio.timeout(PATIENCE_S):
            while not set(expected) <= (found := await self.firing()):  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.2)
        return found

    async def until_not(self, alert: tuple[str, str]) -> None:
        """Wait until this does not fire any more."""
        async with asyncio.timeout(PATIENCE_S):
            while alert in await self.firing():  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.2)


@asynccontextmanager
async def prometheus(target_port: int, directory: Path) -> AsyncIterator[Prometheus]:
    """The shipped rules, each fired as soon as it holds: the waits before an alert are Prometheus' own business."""
    (directory / "alerts.yml").write_text(re.sub(r"for: \w+", "for: 0s", RULES.read_text()))
    target = {"targets": [f"127.0.0.1:{target_port}"], "labels": {"process": "all", "role": "all"}}
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "250ms"},
        "rule_files": ["alerts.yml"],
        "scrape_configs": [{"job_name": "wealthcast", "static_configs": [target]}],
    }
    (directory / "prometheus.yml").write_text(json.dumps(configuration))  # JSON is YAML
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error",
        f"--web.listen-address=127.0.0.1:{port}", cwd=directory,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as session:
            yield Prometheus(port, session)
    finally:
        process.terminate()
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()


@pytest.fixture
def own_runtime(embedded_dir: Path) -> Path:
    """A folder for a Valkey of this test's own, which it may stop."""
    path = Path(tempfile.mkdtemp(dir=embedded_dir))
    path.chmod(0o777)
    return path


@needs_prometheus
async def test_what_breaks_fires_its_alert_and_what_is_mended_ends_it(
    postgres_url: str, own_runtime: Path, tmp_path: Path
) -> None:
    valkey = start_valkey(own_runtime, own_runtime)
    settings = load_settings(
        database_url=postgres_url, redis_url=valkey.url, jwt_secret=TOKENS.secret, data_keys=DATA_KEYS,
        http_port=0, gateway_port=0, media_port=0, admin_port=0, drain_s=0.1,
        recording_dir=RULES,  # a file where a folder must be
    )  # fmt: skip
    try:
        async with running(settings) as ports, prometheus(ports.admin_port, tmp_path) as watching:
            before = await watching.until(("RecorderUnhealthy", ""))
            assert ("NotReady", "") not in before
            valkey.stop()
            await watching.until(("NotReady", ""), ("PartAway", "redis"))
            valkey = start_valkey(own_runtime, own_runtime)
            await watching.until_not(("NotReady", ""))
    finally:
        valkey.stop()
