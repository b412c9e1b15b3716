"""Errors that a user sees as one line without a traceback: a fault to fix, and an unavailable service."""


class AntispamError(Exception):
    """A fault that a user or operator can fix. The text names the fault and its place. A retry fails again."""


class UnavailableError(AntispamError):
    """A needed service does not answer now; the text names it. A later retry may succeed."""
