"""The lake keeps of numbers and texts what analysts count by."""

from __future__ import annotations

from msgspec.structs import replace

from pipeline.lake.message_facts import carriers, regions, sms_parts
from pipeline.lake.privacy import Privacy
from pipeline.lake.tables import SUBMISSIONS, Origin
from tests.harness.lake.events import now_ms, submission


def test_each_recipient_has_the_carrier_and_the_region_of_its_number() -> None:
    given = replace(submission("s"), recipients=("13800138000", "13012345678", "85212345678"))
    (row,) = SUBMISSIONS.build([given], [Origin("log", "t", 0, 0, now_ms())], Privacy(b"secret")).to_pylist()
    assert row["carriers"] == ["China Mobile", "China Unicom", ""] == carriers(given.recipients)
    assert row["regions"] == ["北京", "重庆", ""] == regions(given.recipients)
    assert "13800138000" not in str(row)


def test_parts_are_those_that_the_sender_cuts() -> None:
    lengths = {70: 1, 71: 2, 134: 2, 135: 3}
    assert {n: sms_parts(replace(submission("s"), content="您" * n)) for n in lengths} == lengths
    assert sms_parts(replace(submission("s"), content="a" * 159)) == 1
    assert sms_parts(replace(submission("s"), content="x", push=b"\0" * 200)) == 2
    assert sms_parts(replace(submission("s"), content="\ud800")) is None
    assert sms_parts(replace(submission("s"), content="您" * 67 * 256)) is None
