"""Review: cases, who has claimed them, what was decided, and its execution."""
