"""Declared counters: their windows by key, and sequences of numbers."""
