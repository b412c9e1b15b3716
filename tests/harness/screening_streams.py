"""Invented streams of submissions and records, for properties of screening."""

from __future__ import annotations

from hypothesis import strategies as st

from pipeline.events import Record, RecordKind, Submission
from tests.harness.screening_events import CALM, NOW, RECIPIENTS, record, submission


@st.composite
def streams(draw: st.DrawFn) -> list[Submission | Record]:
    """Submissions and records of a few ports and numbers, in order of time, some texts alike."""
    texts = st.sampled_from([CALM, "需审词", "拒发词", "禁发词", "垃圾", "【示例】验证码123456", "在吗"])
    events: list[Submission | Record] = []
    at = NOW
    for n in range(draw(st.integers(1, 40))):
        at += draw(st.integers(0, 60_000))
        if draw(st.booleans()):
            code = draw(st.sampled_from(["10690001", "1069000107", "10690002", "95555"]))
            rounds, numbers = draw(st.sampled_from([0, 0, 0, 1])), RECIPIENTS[: draw(st.integers(1, 3))]
            events.append(submission(draw(texts), at, id=f"s-{n}", port=code, recipients=numbers, round=rounds))
        else:
            sender, kind = draw(st.sampled_from(["13900000008", "13900000009"])), draw(st.sampled_from(RecordKind))
            events.append(record(at, id=f"r-{n}", sender=sender, kind=kind, content=draw(texts)))
    return events
