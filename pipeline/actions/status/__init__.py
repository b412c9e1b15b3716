"""The state of each submission, and how the port's owner learns of it."""
