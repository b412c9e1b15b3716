"""One invented record for each topic, and one row for each table. No field is left at its default.

A default is left out on the wire, so a field that is not set here would be missing in the data of its version. Set
each new field of a record and each new column of a table here: `write.py` refuses to write without it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from argon2 import PasswordHasher

from pipeline import events, topics
from pipeline.actions.status.link_deliveries import Report, row_of
from pipeline.events import Category, Event, Kind, Label, Priority, Verdict

NOW = 1_764_041_400_000  # Tuesday 2025-11-25 11:30 in Shanghai
DAY = 86_400_000
PORT = "10690001"
PHONES = ("13800138000", "13900139000")
TEXT = "【示例地产】周末开盘，详询 http://house.example.com/a1，回T退订"
AUDIT_KEY = b"the audit key of the upgrade test"
PRIVACY_KEY = b"the privacy key of the upgrade test"
PASSWORD = "an invented password"
SESSION = "an-invented-session-token"
API_KEY = "ask_an-invented-key"


def submission(ident: str) -> events.Submission:
    """A submission with every field."""
    return events.Submission(
        id=ident,
        port=PORT,
        recipients=PHONES,
        content=TEXT,
        accepted_at=NOW,
        batch="spring",
        batch_size=2,
        template="t1",
        priority=Priority.BULK,
        valid_until=NOW + DAY,
        scheduled_at=NOW + 1000,
        submitted_at=NOW - 5,
        round=1,
        reviewed=True,
        origin=events.Origin(account="900001", protocol="cmpp", ids=("0123456789abcdef",), failures_only=True),
        missing_parts=(2,),
        mixed_parts=True,
        push=b"\1\6",
        confirms=True,
    )


def records() -> dict[str, Event]:
    """By the name of the topic; `outbound.default.bulk` stands for all of `outbound.*`."""
    sent = submission("s1")
    span = events.Span(start=0, end=4, word="示例", category="property", via="normal")
    reason = events.Reason(
        rule="bulk-declared",
        verdict=Verdict.REVIEW,
        severity=2,
        message="51 messages",
        values={"batch_size": 51},
        spans=(span,),
    )
    decision = events.Decision(
        id="s1",
        round=1,
        verdict=Verdict.REVIEW,
        exceptions=(events.RecipientException(recipient=PHONES[1], verdict=Verdict.REJECT, rule="unsubscribed"),),
        score=0.75,
        label=Label.SPAM,
        category=Category.PROPERTY,
        reasons=(reason,),
        epoch=3,
        policy="p0",
        dictionary="d0",
        model="m0",
        counters={"port_messages_5m": 2},
        degraded=True,
        shadow=(events.ShadowOutcome(rule="campaign-across-ports", verdict=Verdict.REVIEW, policy="p1"),),
        decided_at=NOW + 40,
        source="submission",
        port=PORT,
        kind=Kind.COMMERCIAL,
        messages=2,
        fingerprint="f00dfeed",
        accepted_at=NOW,
        hold_until=NOW + 1000,
        timings={"rules": 41.5},
        sender=PORT + "01",
        campaign="c00000000000000aa",
        suppressed=(
            events.Suppressed(
                rule="score-review",
                verdict=Verdict.REVIEW,
                cause=events.SuppressedBy.SNOOZE,
                scope=f"port/{PORT}",
                until=NOW + DAY,
            ),
        ),
        tier=events.Tier.HIGH,
        reject_score=0.9282416552704092,
    )
    campaign = events.Campaign(
        id="c00000000000000aa",
        messages=120,
        ports=3,
        senders=4,
        growth=20,
        first_seen=NOW - 60_000,
        last_seen=NOW,
        at=NOW,
        sketches=(events.Sketch(count=9, whole=77, shingles=b"\1\0\2\0", bands=b"\3" * 8, signs=b"\4\5"),),
        first=(f"{PORT}/s1",),
        port_hashes=(11, 12, 13),
        sender_hashes=(21, 22, 23, 24),
        buckets=(7, 20, 5),
        positions={"submissions.bulk/0": 42},
    )
    return {
        topics.SUBMISSIONS_EXPRESS.name: sent,
        topics.SUBMISSIONS_BULK.name: sent,
        topics.PARTS.name: events.Part(
            submission=sent,
            code=PORT,
            reference=7,
            width=1,
            total=2,
            number=1,
            alphabet="GSM7",
            octets=b"hi",
            locking_shift=1,
            single_shift=1,
            push=True,
            signatures=("示例地产",),
        ),
        topics.RECORDS.name: events.Record(
            id="r1",
            kind=events.RecordKind.MO,
            sender=PHONES[0],
            recipient=PHONES[1],
            content=TEXT,
            submitted_at=NOW,
            done_at=NOW + 900,
            status="DELIVRD",
            smsc="smsc-1",
            ingested_at=NOW + 5000,
        ),
        topics.DECISIONS.name: decision,
        topics.HOLDS.name: events.Hold(submission=sent, rule="scheduled", due_at=NOW + 1000, epoch=3),
        topics.CASES.name: events.CaseMember(
            submission=sent,
            port=PORT,
            fingerprint="f00dfeed",
            rule="bulk-declared",
            decided_at=NOW + 40,
            score=0.75,
            category=Category.PROPERTY,
            recipients=PHONES[:1],
            channel="default",
            campaign="c00112233445566f7",
        ),
        topics.REVIEWS.name: events.ReviewVerdict(
            case="case-1",
            verdict=Verdict.RELEASE,
            reviewer="anna",
            decided_at=NOW + 60_000,
            note="an agency",
            refusal="fraud",
            port=PORT,
            fingerprint="f00dfeed",
            campaign="c00000000000000aa",
            rule="score-review",
            opened_at=NOW,
            messages=2,
        ),
        topics.PORT_ACTIONS.name: events.PortAction(
            port=PORT,
            action="suspend",
            rule="score-reject",
            evidence="s1",
            at=NOW,
            reason="spam probability 0.99",
            values={"score": 0.99},
        ),
        topics.LIST_ACTIONS.name: events.ListAction(
            list="black",
            entity="sender",
            value=PHONES[0],
            rule="sender-volume",
            evidence="r1",
            at=NOW,
            reason="51 messages",
            values={"sender_volume_5m": 51},
            sample="加微信 ****",
        ),
        topics.ALERTS.name: events.Alert(
            id="alert-1",
            level=events.AlertLevel.SEVERE,
            rule="port-volume",
            subject=PORT,
            values={"port_volume_5m": 4213},
            message="4,213",
            at=NOW,
            key=f"port-volume/{PORT}",
            about=events.AlertAbout.SENDER,
            lasts=1_800_000,
        ),
        topics.COMPLAINTS.name: events.Complaint(
            id="complaint-1",
            port=PORT,
            recipient=PHONES[0],
            complained_at=NOW,
            content=TEXT,
            source="12321",
            reference="A1",
        ),
        topics.DELIVERIES.name: events.DeliveryReport(
            id="s1/1", channel="default", carrier_id="77", status="DELIVRD", reported_at=NOW, part=1, port=PORT
        ),
        topics.CAMPAIGNS.name: campaign,
        topics.COUNTER_INCREMENTS.name: events.Increments(
            at=NOW + 40,
            oldest=NOW,
            epoch=3,
            moves={
                "to_recipient@1a2b3c4d": {PHONES[0]: [(NOW, 1)]},
                "ports@5e6f7a8b/values": {PHONES[0]: [(NOW, (77,))]},
            },
        ),
        topics.COUNTER_VALUES.name: events.CounterValue(
            counter="to_recipient@1a2b3c4d", key=PHONES[0], window=(2940, 2, 2941, 1), at=NOW + 40
        ),
        topics.CONFIG.name: events.ConfigChange(
            epoch=3, kind="port", name=PORT, value="{}", file="f0", changed_at=NOW, more=True
        ),
        topics.INGEST.name: events.IngestProgress(
            file="a0", topic="records", lines=10, accepted=9, rejected=1, done=True, at=NOW
        ),
        topics.AUDIT_HEADS.name: events.AuditHead(row=1, mac="aa", at=NOW),
        topics.DEAD_LETTERS.name: events.DeadLetter(
            topic="records",
            partition=1,
            offset=7,
            cause="cannot be decoded",
            at=NOW,
            key=b"k",
            value=b"{",
            attempts=2,
        ),
        topics.outbound("default", Priority.BULK).name: events.Outbound(
            submission=sent, recipients=PHONES[:1], round=1, decided_at=NOW + 40, proof="ab12"
        ),
    }


def rows(policy: str) -> dict[str, list[dict[str, Any]]]:
    """Rows by table, parents first. Audit and outbox are written by their own functions."""
    sha = hashlib.sha256
    body = events.encode(submission("s1"))
    record = records()
    lease = {"lease": "gone", "lease_until": NOW - 1}
    case: dict[str, Any] = {
        "port": PORT,
        "fingerprint": "f00dfeed",
        "campaign": "c00112233445566f7",
        "merged_into": None,
        "rule": "bulk-declared",
        "content": TEXT,
        "score": 0.75,
        "category": "property",
        "priority": 1,
        "queue": "fraud",
        "urgency": 12.5,
        "submissions": 1,
        "messages": 2,
        "opened_at": NOW,
        "due_at": NOW + 3_600_000,
        "escalated_at": None,
        "claimed_by": None,
        "lease_until": None,
        "verdict": None,
        "decided_by": None,
        "decided_at": None,
        "note": "",
        "effective_at": None,
        "released": 0,
    }
    member: dict[str, Any] = {
        "port": PORT,
        "round": 1,
        "messages": 2,
        "recipients": list(PHONES),
        "channel": "default",
        "added_at": NOW,
        "asks": "a1",
        "exact": "e1",
    }
    version = sha(policy.encode()).hexdigest()[:16]
    return {
        "enterprises": [
            {
                "id": "e-1",
                "name": "示例地产",
                "province": "广东",
                "city": "深圳",
                "parent": "e-0",
                "created_at": NOW,
                "suspended_at": NOW + 2000,
            },
        ],
        "ports": [
            {
                "code": PORT,
                "enterprise": "e-1",
                "name": "示例",
                "tier": "high",
                "kind": "commercial",
                "state": "suspended",
                "channel": "default",
                "volume_5m": 4000,
                "unsubscribe": ["T", "TD"],
                "zone": "Asia/Urumqi",
                "extensions": ["01"],
                "carrier_signs": True,
                "probation_until": "2026-12-31",
                "undertaken_at": NOW,
                "opened_at": NOW - DAY,
                "changed_at": NOW,
            }
        ],
        "signatures": [{"port": PORT, "signature": "示例地产", "place": 0}],
        "filings": [
            {
                "port": PORT,
                "signature": "示例地产",
                "carrier": "China Mobile",
                "state": "filed",
                "applied": "2026-02-01",
                "decided": "2026-02-20",
                "until": "2027-02-19",
                "place": 0,
            }
        ],
        "consents": [
            {
                "scope": f"port/{PORT}",
                "number": PHONES[0],
                "given_at": NOW - DAY,
                "kind": "consent",
                "source": "会员登记表",
                "until": NOW + DAY,
                "shard": int(PHONES[0][-4:]),
                "recorded_by": "test",
                "recorded_at": NOW,
            }
        ],
        "templates": [
            {
                "port": PORT,
                "id": "t1",
                "text": "【示例地产】验证码{code:digits(6)}",
                "kind": "one_time_code",
                "place": 0,
            }
        ],
        "list_entries": [
            {
                "list": "black",
                "value": PHONES[0],
                "entity": "sender",
                "reason": "complaints",
                "added_by": "anna",
                "added_at": NOW,
                "expires_at": NOW + DAY,
            }
        ],
        "saved_queries": [
            {
                "id": 1,
                "page": "search",
                "name": "loans",
                "address": "by=port",
                "owner": "anna",
                "shared": True,
                "made_at": NOW,
            }
        ],
        "snoozes": [
            {
                "rule": "bulk-declared",
                "kind": "port",
                "value": PORT,
                "reason": "a confirmed campaign",
                "until": NOW + DAY,
                "made_by": "anna",
                "made_at": NOW,
            }
        ],
        "configurations": [
            {
                "kind": "policy",
                "name": "policy",
                "version": version,
                "value": policy,
                "author": "anna",
                "created_at": NOW,
            }
        ],
        "in_force": [
            {
                "kind": "policy",
                "name": "policy",
                "version": version,
                "previous": "0" * 16,
                "since_epoch": 1,
                "since": NOW,
            }
        ],
        "policies": [
            {
                "kind": "policy",
                "version": version,
                "name": "policy.yaml",
                "state": "share",
                "share": 20,
                "author": "anna",
                "reason": "fewer false alarms",
                "drafted_at": NOW,
                "approver": "bert",
                "approved_at": NOW + 2,
                "changed_by": "bert",
                "changed_at": NOW + 2,
                "epoch": 1,
            }
        ],
        "positions": [{"consumer": "projector", "log": "cluster/topic", "partition": 0, "offset": 42}],
        "submissions": [
            {
                "port": PORT,
                "id": "s1",
                "digest": "d" * 32,
                "recipients": list(PHONES),
                "priority": "bulk",
                "accepted_at": NOW,
                "round": 1,
                "verdict": "release",
                "decided_by": "anna",
                "reasons": [{"rule": "bulk-declared", "message": "51 messages"}],
                "exceptions": [{"recipient": PHONES[1], "verdict": "reject", "rule": "unsubscribed"}],
                "decided_at": NOW + 40,
                "origin": {"account": "900001", "protocol": "cmpp", "ids": ["01"], "failures_only": False},
            }
        ],
        "resends": [
            {
                "port": PORT,
                "submission": "s1",
                "n": 1,
                "channel": "default",
                "code": PORT,
                "record": b"{}",
                "due_at": NOW + 60_000,
            }
        ],
        "deliveries": [
            {
                "port": PORT,
                "submission": "s1",
                "n": 1,
                "part": 1,
                "recipient": PHONES[0],
                "channel": "default",
                "state": "delivered",
                "carrier_id": "77",
                "status": "DELIVRD",
                "tries": 1,
                "silences": 1,
                "submitted_at": NOW + 50,
                "changed_at": NOW + 900,
                "parts": 1,
            }
        ],
        "replies": [
            {
                "id": 1,
                "channel": "default",
                "carrier_id": "79",
                "subscriber": PHONES[0],
                "to": PORT,
                "alphabet": "GSM7",
                "octets": b"TD",
                "shifts": [1, 1],
                "reference": 7,
                "width": 1,
                "total": 2,
                "number": 1,
                "received_at": NOW + 950,
                "routed_at": NOW + 951,
                "port": PORT,
            }
        ],
        "whole_replies": [
            {
                "id": 1,
                "port": PORT,
                "to": PORT + "05",
                "subscriber": PHONES[0],
                "content": "退订",
                "wish": "unsubscribe",
                "state": "brought",
                "verdict": "release",
                "rule": "sender-volume-alert",
                "received_at": NOW + 950,
                "settled_at": NOW + 1450,
                "taken_at": NOW + 5000,
            }
        ],
        "link_outcomes": [
            {"id": 1, "port": PORT, "submission": "s1", "recipient": PHONES[0], "status": "DELIVRD", "at": NOW + 900}
        ],
        "traces": [
            {
                "id": 1,
                "subject": "port",
                "value": PORT,
                "reason": "they see no reports",
                "started_by": "bo",
                "started_at": NOW,
                "until": NOW + 60_000,
            }
        ],
        "trace_frames": [
            {
                "id": 1,
                "trace": 1,
                "at": NOW,
                "channel": "default",
                "link": 1,
                "outgoing": True,
                "command": "Submit",
                "body": {"sequence": 1, "src_id": PORT},
            }
        ],
        "channel_states": [
            {
                "channel": "default",
                "sender": "host/1",
                "body": {
                    "kind": "cmpp3",
                    "gateway": "192.0.2.10:7890",
                    "off": False,
                    "usable": True,
                    "waiting": 1,
                    "total_rate": 0.0,
                    "next": [],
                    "links": [{"number": 0, "up": True, "since": NOW}],
                },
                "seen_at": NOW,
            }
        ],
        "channel_controls": [
            {
                "channel": "default",
                "off": True,
                "total_rate": 5.0,
                "next": ["cmcc-bj-1"],
                "weights": {"default": 3, "cmcc-bj-1": 1},
                "reason": "the carrier works on it",
                "before": {"off": False, "total_rate": None, "next": None},
                "changed_by": "bo",
                "changed_at": NOW,
            }
        ],
        "link_deliveries": [
            {
                "id": 1,
                "port": PORT,
                "account": "900001",
                "protocol": "cmpp",
                "body": row_of(
                    Report(
                        id="0123456789abcdef",
                        n=0,
                        sender=PORT,
                        recipient=PHONES[0],
                        status="DELIVRD",
                        submitted="2311150613",
                        done="2311150614",
                    ),
                    NOW,
                )["body"],
                "tries": 1,
                "created_at": NOW + 900,
                "due_at": NOW + 901,
                "lease": "abcd",
                "lease_until": NOW + 1000,
            }
        ],
        "parked_reports": [
            {
                "channel": "default",
                "recipient": PHONES[1],
                "carrier_id": "78",
                "sender": PORT,
                "status": "DELIVRD",
                "reported_at": NOW,
                "parked_at": NOW,
            }
        ],
        "report_outbox": [
            {"id": 1, "key": "s1/1", "body": events.encode(record[topics.DELIVERIES.name]), "created_at": NOW}
        ],
        "holds": [
            {
                "port": PORT,
                "submission": "s1",
                "round": 1,
                "rule": "scheduled",
                "body": body,
                "held_at": NOW,
                "due_at": NOW + 1000,
                "ends_at": None,
                "epoch": 3,
                "key": PORT,
            }
            | lease,
            {
                "port": "10690009",
                "submission": "s2",
                "round": 0,
                "rule": "port-unknown",
                "body": events.encode(submission("s2")),
                "held_at": NOW,
                "due_at": None,
                "ends_at": NOW + DAY,
                "epoch": 3,
                "key": None,
                "lease": None,
                "lease_until": None,
            },
        ],
        "timers": [{"kind": "case.close", "subject": "case-1", "due_at": NOW + DAY} | lease],
        "cases": [
            case
            | {
                "id": "case-1",
                "state": "open",
                "escalated_at": NOW + 60_000,
                "claimed_by": "anna",
                "lease_until": NOW + 1000,
                "last_member": 1,
            },
            case
            | {
                "id": "case-2",
                "state": "effective",
                "verdict": "release",
                "decided_by": "anna",
                "decided_at": NOW,
                "note": "an agency",
                "effective_at": NOW + 10_000,
                "released": 2,
                "last_member": 2,
            },
            case
            | {
                "id": "case-3",
                "state": "merged",
                "merged_into": "case-1",
                "merged_after": 1,
                "last_member": 1,
                "apart": True,
                "overturned": True,
                "shared_from": "ben",
                "first_verdict": "blacklist",
                "first_by": "anna",
                "first_at": NOW,
                "refusal": "fraud",
                "assigned_to": "anna",
            },
        ],
        "case_comments": [{"id": 1, "case": "case-1", "author": "anna", "at": NOW, "text": "an agency?"}],
        "case_skips": [{"case": "case-1", "reviewer": "bert", "skipped_at": NOW}],
        "case_members": [
            member | {"seq": 1, "case": "case-1", "number": 1, "submission": "s1", "body": body},
            member
            | {"seq": 2, "case": "case-2", "number": 2, "submission": "s2", "body": events.encode(submission("s2"))},
        ],
        "opinions": [
            {
                "id": 1,
                "case": "case-1",
                "kind": "golden",
                "reviewer": "anna",
                "verdict": "reject",
                "expected": "release",
                "expected_by": "shu",
                "took_ms": 900,
                "at": NOW,
            }
        ],
        "golden_cases": [
            {
                "case": "case-1",
                "port": PORT,
                "content": TEXT,
                "rule": "score-review",
                "score": 0.5,
                "category": "loan",
                "submissions": 1,
                "messages": 2,
                "verdict": "reject",
                "made_by": "shu",
                "made_at": NOW,
            }
        ],
        "complaints": [
            {
                "id": "complaint-1",
                "port": PORT,
                "sender": PORT,
                "recipient": PHONES[0],
                "source": "12321",
                "reference": "A1",
                "content": TEXT,
                "complained_at": NOW,
                "received_at": NOW,
                "due_at": NOW + DAY,
                "found": "doubtful",
                "doubt": "several",
                "message": "s1",
                "campaign": "c-1",
                "blocked_at": NOW,
                "answered_at": NOW,
                "settled_by": "anna",
                "settled_at": NOW,
            }
        ],
        "complaint_candidates": [
            {
                "complaint": "complaint-1",
                "port": PORT,
                "number": 1,
                "message": "s1",
                "recipient": PHONES[0],
                "content": TEXT,
                "likeness": 0.9,
                "at": NOW,
                "sent": True,
                "campaign": "c-1",
            }
        ],
        "tier_proposals": [
            {
                "port": PORT,
                "month": "2025-10",
                "before": "ordinary",
                "after": "high",
                "evidence": [{"month": "2025-10", "complaints": 4, "messages": 1000, "violations": 0}],
                "state": "accepted",
                "proposed_at": NOW,
                "decided_by": "anna",
                "decided_at": NOW,
                "note": "as agreed",
            }
        ],
        "appeals": [
            {
                "id": 1,
                "port": PORT,
                "about": "submission/s1",
                "text": "it is our own shop",
                "against": "bert",
                "filed_at": NOW,
                "state": "granted",
                "decided_by": "anna",
                "decided_at": NOW,
                "answer": "send it again",
            }
        ],
        "port_months": [{"port": PORT, "month": "2025-11", "messages": 1000, "counted_at": NOW}],
        "actions": [
            {
                "id": 1,
                "kind": "suspend",
                "subject": PORT,
                "rule": "score-reject",
                "evidence": "s1",
                "actor": "pipeline",
                "at": NOW,
                "reason": "51 messages",
                "values": {"count": 51},
            }
        ],
        "number_orders": [
            {
                "id": 1,
                "number": PHONES[0],
                "kind": "clear",
                "party": "boss",
                "state": "sent",
                "rule": "sender-volume",
                "reason": "51 messages",
                "values": {"sender_volume_5m": 51},
                "sample": "加微信 ****",
                "evidence": "decision/r1",
                "asked_by": "pipeline",
                "asked_at": NOW,
                "watch_days": 30,
                "tries": 1,
                "due_at": NOW + DAY,
                "file": 1,
                "answer": "remove",
                "answer_reason": "an undertaking",
                "changed_at": NOW,
            }
        ],
        "order_files": [
            {
                "id": 1,
                "party": "boss",
                "name": "suspect-20251125113000-000001.csv",
                "state": "put",
                "orders": 1,
                "created_at": NOW,
                "put_at": NOW + 5,
            }
        ],
        "answer_files": [
            {
                "party": "boss",
                "digest": "d" * 64,
                "name": "answer.csv",
                "lines": 2,
                "accepted": 1,
                "rejected": 1,
                "read_at": NOW,
            }
        ],
        "reconciliations": [
            {
                "party": "hlr",
                "digest": "d" * 64,
                "ours": 5,
                "theirs": 6,
                "missing": 1,
                "extra": 2,
                "extra_numbers": list(PHONES),
                "at": NOW,
            }
        ],
        "rule_alarms": [{"rule": "bulk-declared", "since": NOW - DAY, "ended_at": NOW}],
        "alerts": [
            {
                "id": "alert-1",
                "level": "severe",
                "rule": "port-volume",
                "subject": PORT,
                "message": "4,213",
                "values": {"port_volume_5m": 4213},
                "key": f"port-volume/{PORT}",
                "state": "taken",
                "about": "port",
                "at": NOW,
                "last_at": NOW + 1,
                "last_id": "alert-2",
                "times": 2,
                "waits_since": NOW,
                "over_at": NOW + 2,
                "assigned_to": "anna",
                "snoozed_until": NOW + 3,
                "escalated_at": NOW + 4,
                "closed_at": NOW + 5,
            }
        ],
        "alert_changes": [
            {"id": 1, "alert": "alert-1", "change": "raised", "actor": "pipeline", "note": "x", "at": NOW}
        ],
        "alert_posts": [{"feed": "file", "change": 1, "due_at": NOW, "tries": 1, "silenced": True}],
        "alert_rules": [
            {
                "id": "mine",
                "measure": "volume",
                "above": True,
                "threshold": 1.5,
                "granularity": "hour",
                "level": "warning",
                "active": True,
                "changed_by": "anna",
                "changed_at": NOW,
            }
        ],
        "alert_silences": [
            {
                "id": 1,
                "rule": "port-volume",
                "subject": PORT,
                "begins_at": NOW,
                "ends_at": NOW + 1,
                "daily": False,
                "reason": "x",
                "made_by": "anna",
                "made_at": NOW,
            }
        ],
        "record_files": [
            {
                "source": "smsc-1",
                "name": "cdr.csv",
                "size": 100,
                "modified": "20251125113000",
                "state": "ingested",
                "digest": "e" * 64,
                "accepted": 9,
                "rejected": 1,
                "cause": "a bad line",
                "taken_at": NOW,
                "finished_at": NOW + 1,
                "settled_at": NOW + 2,
            }
        ],
        "users": [
            {
                "name": "anna",
                "password": PasswordHasher().hash(PASSWORD),
                "role": "administrator",
                "scope": {},
                "queues": [],
                "active": True,
                "must_change": False,
                "created_at": NOW,
            },
            {
                "name": "bert",
                "password": None,
                "role": "reviewer",
                "scope": {"province": "广东"},
                "queues": ["fraud"],
                "active": False,
                "must_change": True,
                "created_at": NOW,
            },
        ],
        "sign_ins": [
            {
                "name": "anna",
                "address": "192.0.2.1",
                "failures": 1,
                "next_at": NOW + 1000,
                "tried_at": NOW,
                "signed_in_at": NOW - 1,
            }
        ],
        "sessions": [
            {
                "token": sha(SESSION.encode()).hexdigest(),
                "user": "anna",
                "created_at": NOW,
                "expires_at": NOW + DAY,
                "seen_at": NOW,
            }
        ],
        "api_keys": [
            {
                "key": sha(API_KEY.encode()).hexdigest(),
                "port": PORT,
                "callback_url": "https://example.com/told",
                "created_at": NOW,
                "revoked_at": None,
            },
            {
                "key": sha(b"revoked").hexdigest(),
                "port": PORT,
                "callback_url": "",
                "created_at": NOW,
                "revoked_at": NOW,
            },
        ],
        "callbacks": [
            {
                "id": 1,
                "port": PORT,
                "url": "https://example.com/told",
                "body": b'{"event":"rejected","id":"s1"}',
                "tries": 1,
                "created_at": NOW,
                "due_at": NOW + 30_000,
            }
            | lease
        ],
    }
