"""Retention: deletes expired data everywhere."""
