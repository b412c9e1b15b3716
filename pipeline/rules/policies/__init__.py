"""Policies: parsed and compiled, compared in words, and their life from draft to archive."""
