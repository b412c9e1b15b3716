"""Sample traffic of our own making, invented throughout, for the demo, benchmarks and fault tests."""
