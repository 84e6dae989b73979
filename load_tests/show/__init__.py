"""The sample show: a publisher, a simulated crowd and a demo monitor, as one process of its own."""
