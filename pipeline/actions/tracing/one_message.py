"""The frames of one message among those of a trace: its SUBMIT, the answer, and the reports with the answer's id."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.actions.tracing.recorder import Noted

_IDS = ("msg_id", "message_id", "receipted_message_id")
_ANSWERS = ("SubmitResp", "SubmitSmResp")
_NO_IDS = frozenset(("", "0" * 16, "0" * 20))


def of_message(frames: Sequence[Noted], chosen: Noted) -> list[Noted]:
    """The frames that belong to the message of `chosen`, in their order.

    Request and answer have one sequence number on one link; a report repeats the id of the answer.
    """
    found = [chosen]
    places, ids = {_exchange(chosen)}, _ids(chosen)
    while True:
        more = [each for each in frames if _exchange(each) in places or ids & _ids(each)]
        if len(more) == len(found):
            return more
        found = more
        places = {_exchange(each) for each in found}
        ids = {ident for each in found for ident in _ids(each)}


def _exchange(noted: Noted) -> tuple[str, int, bool, str]:
    """What request and answer have in common: link, who asked, and sequence number."""
    answer = noted.command.endswith("Resp")
    return noted.channel, noted.link, noted.outgoing is not answer, str(noted.body.get("sequence"))


def _ids(noted: Noted) -> set[str]:
    """The carrier's ids of the message that the frame names; not the ids of deliveries, which are others."""
    body = noted.body
    if isinstance(body.get("report"), dict):
        named = [body["report"], body.get("tlvs") or {}]
    elif noted.command in _ANSWERS:
        named = [body]
    else:
        return set()
    return {str(each[name]) for each in named for name in _IDS if each.get(name)} - _NO_IDS
