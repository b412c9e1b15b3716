"""Queries and changes behind the console's pages."""
