"""Review: cases, their claims and verdicts, and the execution of verdicts."""
