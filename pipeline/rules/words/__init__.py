"""The dictionary: reads its file, prepares its words and finds them in texts."""
