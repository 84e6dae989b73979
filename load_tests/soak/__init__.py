"""A soak: everything on for a long time; each process has to stay flat, and every event is accounted for."""
