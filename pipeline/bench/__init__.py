"""Benchmarks: the decision function, the stream and the senders."""
