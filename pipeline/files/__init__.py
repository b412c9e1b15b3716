"""Files of lines, csv or jsonl, read with bounds; bad lines are kept."""
