"""Benchmarks over the public protocols; `./run bench NAME` starts one. Each prints one JSON object last."""
