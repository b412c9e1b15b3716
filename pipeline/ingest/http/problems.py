"""Error answers of the API: one form, a precise code, and never a value from the request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta

from pipeline import door
from pipeline.errors import AntispamError


class Error(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error. `code` is stable; `message` is for people; `field` names the wrong field."""

    code: Annotated[str, Meta(examples=["invalid_submission"])]
    message: Annotated[str, Meta(examples=["recipients: none"])]
    field: Annotated[str, Meta(examples=["recipients"])] = ""


class Problem(AntispamError):  # noqa: N818 - the word of RFC 9457
    """Raised to answer a request with an error. `retry_after` is in seconds, 0 for none; `headers` are added."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str = "",
        retry_after: int = 0,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = Error(code, message, field)
        self.retry_after = retry_after
        self.headers = headers


_FIELD = re.compile(r"([a-z_]{1,32}): ")
_PATH = re.compile(r"at `\$\.([A-Za-z_]{1,32})")
_UNKNOWN = re.compile(r"unknown field `([A-Za-z_]{1,32})`|required field `([a-z_]{1,32})`")


def invalid(error: AntispamError | msgspec.ValidationError, code: str = "invalid_submission") -> Problem:
    """422 for input that the door or the decoder refuses; names the field."""
    message = door.fault(error)
    found = _UNKNOWN.search(message) or _PATH.search(message) or _FIELD.match(message)
    return Problem(422, code, message, next(filter(None, found.groups())) if found else "")


def broken_json(error: Exception, length: int) -> Problem:
    """400 for invalid JSON, with its position; `length` is the length of the body in bytes."""
    if isinstance(error, UnicodeDecodeError):
        text = f"not UTF-8 (byte {error.start} of a text)"
    elif isinstance(error, RecursionError):
        text = "nested too deeply"
    else:
        text = str(error).removeprefix("JSON is malformed: ")
        if "byte" not in text:
            text = f"{text} (byte {length})"
    return Problem(400, "invalid_json", f"not JSON: {text}")


def not_acknowledged() -> Problem:
    """503: the broker did not answer in time. The client may send the same again, with the same ids."""
    message = "the broker did not acknowledge in time; send it again with the same id"
    return Problem(503, "not_acknowledged", message, retry_after=5)


def unavailable(what: str) -> Problem:
    """503: a part that the API needs cannot be reached."""
    return Problem(503, "unavailable", f"{what} cannot be reached", retry_after=5)
