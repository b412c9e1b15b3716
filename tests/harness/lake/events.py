"""Events for tests of the lake."""

from __future__ import annotations

import time

from pipeline.events import (
    Category,
    Decision,
    Kind,
    Label,
    Reason,
    RecipientException,
    ShadowOutcome,
    Span,
    Submission,
    Verdict,
)

PHONE = "13800138000"
SECRET_TEXT = f"【锦绣地产】王女士您好，验证码482913，电{PHONE}，详见https://u77.abc.com/Xy12"


def now_ms() -> int:
    return int(time.time() * 1000)


def decision(
    ident: str,
    decided_round: int = 0,
    verdict: Verdict = Verdict.REVIEW,
    port: str = "10690001",
    at: int | None = None,
    messages: int = 3,
) -> Decision:
    at = at or now_ms()
    return Decision(
        id=ident,
        round=decided_round,
        verdict=verdict,
        score=0.5,
        label=Label.SPAM,
        category=Category.LOAN,
        exceptions=(RecipientException(recipient=PHONE, verdict=Verdict.REJECT, rule="unsubscribed"),),
        reasons=(
            Reason(
                rule="bulk-same-content",
                verdict=verdict,
                severity=2,
                message=f"51 to {PHONE} in 5 min",
                values={"same_content_5m": 51, "recipient": PHONE, "number": int(PHONE)},
                spans=(Span(start=0, end=2, word=PHONE),),
            ),
            Reason(rule="score", verdict=verdict, severity=2, message="score", values={"score": 0.5}),
        ),
        epoch=3,
        policy="p",
        dictionary="d",
        model="m",
        counters={"same_content_5m": 51},
        degraded=False,
        shadow=(
            ShadowOutcome(rule="s", verdict=Verdict.HOLD),
            ShadowOutcome(rule="t", verdict=Verdict.REJECT, policy="p2"),
        ),
        decided_at=at,
        source="submission",
        port=port,
        kind=Kind.COMMERCIAL,
        messages=messages,
        fingerprint="f00dfeed",
        accepted_at=at,
        timings={"rules": 10.5},
    )


def submission(ident: str, recipients: tuple[str, ...] = (PHONE, "13900139000"), at: int | None = None) -> Submission:
    return Submission(id=ident, port="10690001", recipients=recipients, content=SECRET_TEXT, accepted_at=at or now_ms())
