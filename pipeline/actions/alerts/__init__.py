"""Alerts as operators work through them."""
