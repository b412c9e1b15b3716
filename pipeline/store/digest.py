"""The digest that tells a repeated submission from a different one with the same id."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from pipeline.events import Submission

_encode = msgspec.json.Encoder().encode


def digest(submission: Submission) -> str:
    """32 hex digits (128 bits) of a hash over the sender field, the recipients in order, and the content.

    The digest is kept as long as the submission's row: a repeated id with the same digest is accepted as a repetition,
    with another digest refused.
    """
    return sha256(_encode((submission.port, submission.recipients, submission.content))).hexdigest()[:32]
