"""Servers that tests start: carriers, far folders, PostgreSQL."""
