"""Only what a holder of the key released, as it was released, is sent."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.actions.proof import is_proved, proved
from pipeline.events import Origin, Outbound, Priority, Submission, encode

SECRET, OTHER = b"held by worker, releaser and sender", b"anybody's"
TOPIC, KEY = "outbound.cmcc.express", "10690001"
RELEASED = Outbound(
    submission=Submission(
        id="s-1",
        port="1069000155",
        recipients=("13800000001", "13800000002"),
        content="【测试】您好",
        accepted_at=1,
        batch="b",
        batch_size=2,
        template="t",
        valid_until=9,
        scheduled_at=3,
        submitted_at=2,
    ),
    recipients=("13800000001",),
    round=1,
    decided_at=5,
)


def test_what_was_released_is_proved_after_its_way_over_the_wire() -> None:
    sent = proved(SECRET, TOPIC, KEY, RELEASED)
    assert is_proved([SECRET], TOPIC, KEY, msgspec.json.decode(encode(sent), type=Outbound))


@pytest.mark.parametrize("proof", ["", "00" * 32, "é", proved(OTHER, TOPIC, KEY, RELEASED).proof])
def test_a_record_without_our_proof_is_not(proof: str) -> None:
    assert not is_proved([SECRET], TOPIC, KEY, msgspec.structs.replace(RELEASED, proof=proof))


@pytest.mark.parametrize(
    ("topic", "key"), [("outbound.ctcc.express", KEY), ("outbound.cmcc.bulk", KEY), (TOPIC, "10690002"), (TOPIC, "")]
)
def test_it_holds_for_one_channel_lane_and_port(topic: str, key: str) -> None:
    assert not is_proved([SECRET], topic, key, proved(SECRET, TOPIC, KEY, RELEASED))


ALTERED: dict[str, Any] = {
    "id": "s-2",
    "port": "1069000156",
    "recipients": ("13800000001",),
    "content": "【测试】您 好",
    "accepted_at": 2,
    "batch": "c",
    "batch_size": 3,
    "template": None,
    "priority": Priority.BULK,
    "valid_until": 10,
    "scheduled_at": None,
    "submitted_at": 3,
    "round": 1,
    "reviewed": True,
    "origin": Origin(account="a", protocol="cmpp"),
    "missing_parts": (2,),
    "mixed_parts": True,
    "push": b"\0",
    "confirms": True,
}


@pytest.mark.parametrize("field", Submission.__struct_fields__)
def test_no_field_of_the_submission_may_be_another(field: str) -> None:
    sent = proved(SECRET, TOPIC, KEY, RELEASED)
    altered = msgspec.structs.replace(sent.submission, **{field: ALTERED[field]})
    assert not is_proved([SECRET], TOPIC, KEY, msgspec.structs.replace(sent, submission=altered))


@pytest.mark.parametrize(("field", "value"), [("recipients", ("13800000002",)), ("round", 2), ("decided_at", 6)])
def test_no_field_of_the_release_may_be_another(field: str, value: Any) -> None:
    sent = proved(SECRET, TOPIC, KEY, RELEASED)
    assert not is_proved([SECRET], TOPIC, KEY, msgspec.structs.replace(sent, **{field: value}))


@given(st.text(), st.text(), st.text(), st.text())
def test_what_moves_from_one_field_to_the_next_is_altered(port: str, ident: str, content: str, moved: str) -> None:
    def released(port: str, ident: str, content: str) -> Outbound:
        submission = Submission(id=ident, port=port, recipients=(), content=content, accepted_at=0)
        return Outbound(submission=submission, recipients=(), round=0, decided_at=0)

    proof = proved(SECRET, TOPIC, KEY, released(port + moved, ident, content)).proof
    shifted = msgspec.structs.replace(released(port, moved + ident, content), proof=proof)
    assert is_proved([SECRET], TOPIC, KEY, shifted) == (not moved)


def test_the_key_before_is_taken_while_keys_are_changed() -> None:
    sent = proved(OTHER, TOPIC, KEY, RELEASED)
    assert is_proved([SECRET, OTHER], TOPIC, KEY, sent)
    assert not is_proved([SECRET], TOPIC, KEY, sent)
