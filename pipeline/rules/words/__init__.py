"""The dictionary of words: read, prepared, and found in texts."""
