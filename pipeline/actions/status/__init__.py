"""The state of each submission, and its notification to the port's owner."""
