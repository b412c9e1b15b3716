"""Spelling of a text: fingerprints and, later, normal forms. Pure."""
