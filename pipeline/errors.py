"""Errors that a user sees as one line without a traceback: a fault to fix, and an unavailable service."""


class AntispamError(Exception):
    """A fault that a user or operator can fix. The text names the fault and its place. A retry fails again.

    `message` may have slots, `{name}`, for the values: so the console says it in the language of its reader. The text
    of the error itself is English; the API, the command line and logs show this.
    """

    def __init__(self, message: str = "", /, **values: object) -> None:
        super().__init__(message.format(**values) if values else message)
        self.message = message
        self.values = values


class UnavailableError(AntispamError):
    """A needed service does not answer now; the text names it. A later retry may succeed."""
