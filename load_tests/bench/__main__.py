"""`python -m load_tests.bench NAME …`: starts one benchmark by its name."""

import importlib
import sys

from load_tests.bench.processes import BenchFailed

BENCHES = {
    "relay": "load_tests.bench.relay",
    "joins": "load_tests.bench.joins",
    "latency": "load_tests.bench.latency",
    "lips": "load_tests.bench.lips",
    "loss": "load_tests.bench.loss",
    "feedback": "server.bench.feedback",
    "orders": "load_tests.bench.orders",
    "fanout": "load_tests.bench.fanout",
    "storm": "load_tests.bench.storm",
    "hostile": "load_tests.bench.hostile",
}


def main() -> int:
    """Run the bench that the first argument names; the rest are its own."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in BENCHES:
        asked = name in ("-h", "--help")
        usage = f"usage: ./run bench {{{','.join(sorted(BENCHES))}}} [--help]"
        print(usage, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    try:
        status: int = importlib.import_module(BENCHES[name]).main(sys.argv[2:])
    except BenchFailed as failed:
        print(f"bench {name}: {failed}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
