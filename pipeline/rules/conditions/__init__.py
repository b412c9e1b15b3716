"""Conditions evaluated for a batch of events: a parser of the common part of CEL, columns, and CEL itself."""
