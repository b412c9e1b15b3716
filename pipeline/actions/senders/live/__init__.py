"""Channels as operators see and steer them while they run."""
