"""The native packet writer's C sources, and how this program's C extensions are built and loaded. No I/O."""
