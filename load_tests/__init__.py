"""Clients that know only the public protocols: the sample show, load generators and probes."""
