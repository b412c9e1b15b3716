"""The state of each submission, and how its sender learns of it."""
