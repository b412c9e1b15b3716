"""Traces: the frames of a channel, a port or a number, noted for a limited time and shown without numbers and texts."""
