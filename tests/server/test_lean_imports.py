"""A server's process does not load what it never uses."""

import subprocess
import sys

from server.lean_imports import NOT_FOR_SERVERS, hidden


def test_a_worker_loads_neither_rich_nor_opentelemetry_and_could_later() -> None:
    code = (
        "import sys\n"
        "from server.lean_imports import NOT_FOR_SERVERS, hidden\n"
        "with hidden(*NOT_FOR_SERVERS):\n"
        "    import server.supervisor.worker, server.supervisor.supervisor, server.program\n"
        "assert not set(NOT_FOR_SERVERS) & set(sys.modules), 'loaded'\n"
        "import rich\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_what_was_loaded_before_stays() -> None:
    import rich

    with hidden(*NOT_FOR_SERVERS):
        assert sys.modules["rich"] is rich
    assert sys.modules["rich"] is rich
