"""Benchmarks answer, and what they compare is equal."""
