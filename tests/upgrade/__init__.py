"""Data that each tagged version wrote, and the test that today's code reads it."""
