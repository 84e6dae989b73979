"""Several media processes as one: who is there, which to pick, signalling passed on, packets taken over once."""
