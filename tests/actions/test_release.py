"""A release is split by channel, and each record is signed for its own topic."""

from __future__ import annotations

import pytest

from pipeline.actions.proof import is_proved
from pipeline.actions.release import by_channel
from pipeline.actions.routes import Routes
from pipeline.errors import AntispamError
from pipeline.events import Outbound, Priority, Submission
from pipeline.rules.numbering.segments import Segments

SECRET = b"of the releases"
MOBILE, UNICOM = "13800000001", "13000000002"
ROUTES = Routes(("default", "mobile", "own"), {"Mobile": "mobile"}, Segments({"138": "Mobile", "130": "Unicom"}))


def release(*recipients: str) -> Outbound:
    submission = Submission(
        id="s-1", port="1069000155", recipients=recipients, content="您好", accepted_at=1, priority=Priority.BULK
    )
    return Outbound(submission=submission, recipients=recipients, round=2, decided_at=5)


def test_each_channel_gets_its_recipients_signed_for_its_topic() -> None:
    found = list(by_channel(release(MOBILE, UNICOM), "10690001", "default", ROUTES, SECRET))
    assert [(topic, key, record.recipients) for topic, key, record in found] == [
        ("outbound.mobile.bulk", "10690001", (MOBILE,)),
        ("outbound.default.bulk", "10690001", (UNICOM,)),
    ]
    for topic, key, record in found:
        assert (record.round, record.decided_at) == (2, 5)
        assert is_proved([SECRET], topic, key, record)
        assert not is_proved([SECRET], "outbound.own.bulk", key, record)


def test_a_port_with_its_own_channel_sends_all_over_that() -> None:
    [(topic, _, record)] = by_channel(release(MOBILE, UNICOM), "10690001", "own", ROUTES, SECRET)
    assert (topic, record.recipients) == ("outbound.own.bulk", (MOBILE, UNICOM))


def test_nobody_to_send_to_is_no_record() -> None:
    assert list(by_channel(release(), "10690001", "default", ROUTES, SECRET)) == []


def test_a_channel_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AntispamError, match="channel 'none' is not one of this deployment's"):
        list(by_channel(release(MOBILE), "10690001", "none", ROUTES, SECRET))
