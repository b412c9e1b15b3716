"""A process: its page, its readiness, its logs, its files and its end."""
