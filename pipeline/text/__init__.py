"""Readings of a text: normal forms, views, fingerprints, links, contacts, numbers. Pure."""
