"""Says what is active and what is wrong, in words an operator can act on. Does I/O, changes nothing outside itself."""

import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

from server.demo.places import default_data_dir
from server.doctor_demo import demo_findings
from server.doctor_media import media_addresses, turn_servers
from server.doctor_program import origins, packages, ports, writers
from server.doctor_stores import postgres, redis
from server.finding import Finding
from server.settings import SettingsError, load_settings


def examine(data_dir: Path | None) -> bool:
    """Print every finding; True when nothing is wrong."""
    findings = look(data_dir)
    table = Table(box=None, padding=(0, 2), show_header=False)
    for column in range(3):
        table.add_column(overflow="fold", no_wrap=column < 2)
    for finding in findings:
        mark = "[green]ok[/green]" if finding.mend is None else "[red]!![/red]"
        table.add_row(mark, finding.what, finding.found)
        if finding.mend is not None:
            table.add_row("", "", f"→ {finding.mend}")
    Console(highlight=False).print(table)
    return all(finding.mend is None for finding in findings)


def look(data_dir: Path | None) -> list[Finding]:
    """Look at the installation that the environment names, else at the demo with this folder."""
    external = bool(os.environ.get("DATABASE_URL") or os.environ.get("REDIS_URL"))
    if external and data_dir is None:
        return [*packages(), *_external()]
    return [*packages(), *demo_findings((data_dir or default_data_dir()).absolute())]


def _external() -> list[Finding]:
    try:
        settings = load_settings()
    except SettingsError as error:
        return [Finding("settings", "refused", line) for line in str(error).splitlines()]
    return [
        Finding("services", "external"),
        postgres("DATABASE_URL", settings.database_url.get_secret_value()),
        redis("REDIS_URL", settings.redis_url.get_secret_value()),
        *writers(settings),
        *ports(settings),
        *origins(settings),
        *media_addresses(settings),
        *turn_servers(settings),
    ]
