"""What makes two submissions of one id the same: sender, recipients and content."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from pipeline.events import Submission

_encode = msgspec.json.Encoder().encode


def digest(submission: Submission) -> str:
    """32 hex digits (128 bits) over the sender field, the recipients in their order and the content.

    Kept for as long as the submission's row, so that an id sent again is known for the same or refused.
    """
    return sha256(_encode((submission.port, submission.recipients, submission.content))).hexdigest()[:32]
