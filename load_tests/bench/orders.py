"""`./run bench orders`: hands over to the program that measures the sale in its own process (docs/adr/0011)."""

import subprocess
import sys


def main(arguments: list[str]) -> int:
    """Run it with these arguments; its exit status is ours."""
    return subprocess.run([sys.executable, "-m", "server.bench.orders", *arguments], check=False).returncode
