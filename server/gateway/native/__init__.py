"""The native part of a fan-out; `fan_out.c` does the system calls, `build.py` compiles it."""
