"""The one error that is shown to a user as a line, without a traceback."""


class AntispamError(Exception):
    """Something a user or operator can put right; its text says what and where."""
