"""Actions: the consequences of verdicts."""
