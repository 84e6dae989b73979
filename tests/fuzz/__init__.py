"""Hostile input by the million: targets that are fed mutated input, and a runner that keeps what once broke."""
