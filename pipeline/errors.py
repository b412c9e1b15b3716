"""The errors that are shown to a user as a line, without a traceback: what is wrong, and what is away."""


class AntispamError(Exception):
    """Something a user or operator can put right; its text says what and where. The same again fails again."""


class UnavailableError(AntispamError):
    """Something that is needed does not answer now; its text says what. The same again may succeed later."""
