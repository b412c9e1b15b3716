"""Invented sample traffic for the demo, benchmarks and fault tests."""
