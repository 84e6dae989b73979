"""An installation of its own that `./run faults` breaks on purpose."""
