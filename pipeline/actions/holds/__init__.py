"""Holds: submissions that wait, and the timers that end their wait."""
