"""The native packet writer's C sources and their build; `streaming/egress_native.py` is the only user. No I/O."""
