"""A wheel of the project starts away from the checkout: pages, migrations, word lists and fonts lie inside."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 120


def main() -> None:
    """Build it, start a demo of it, see its page; raises where one of them fails."""
    with tempfile.TemporaryDirectory(prefix="wc-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # root has another user run PostgreSQL
        site = built(folder)
        port = free_port(site)
        environment = {**os.environ, "PYTHONPATH": str(site), "NO_COLOR": "1"}
        argv = [sys.executable, "-m", "server", "demo", "--port", port, "--data-dir", str(folder / "data")]
        demo = subprocess.Popen(argv, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
        try:
            until_it_answers(f"http://127.0.0.1:{port}/readyz", demo)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/watch/bc_show", timeout=10) as page:
                assert b"<script" in page.read()
        finally:
            demo.send_signal(signal.SIGINT)
            status = demo.wait(PATIENCE_S)
        assert status == 0, f"the demo ended with {status}"
    print("a wheel of the project starts")


def built(folder: Path) -> Path:
    """The folder into which the wheel was unpacked; the dependencies are this environment's."""
    if shutil.which("uv"):
        command = ["uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)]
    else:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    shutil.unpack_archive(wheel, folder / "site", "zip")
    return folder / "site"


def free_port(site: Path) -> str:
    """One that is free with its next two; it comes from the wheel, so that nothing of the checkout is imported."""
    code = "import server; from server.embedded.serving import free_ports; print(free_ports(2, 1), server.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=site, env=environment, capture_output=True, text=True, check=True
    )
    port, place = said.stdout.split()
    assert place.startswith(str(site)), place
    return port


def until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for 200."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        assert process.poll() is None, "the demo ended at start"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(url)


if __name__ == "__main__":
    main()
