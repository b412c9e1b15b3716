"""Retention: what is over its time is deleted everywhere."""
