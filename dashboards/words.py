"""Texts for values of the pipeline, and formats of times and figures."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from dashboards.language import N_, Text
from pipeline.durations import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from pipeline.errors import AntispamError

# All values that pages show. A test checks that each enumeration is complete.
WORDS = {
    # verdicts
    "release": N_("release"),
    "hold": N_("hold"),
    "review": N_("review"),
    "reject": N_("reject"),
    "blacklist": N_("blacklist"),
    "undecided": N_("undecided"),
    # categories
    "fraud": N_("fraud"),
    "phishing": N_("phishing"),
    "gambling": N_("gambling"),
    "pornography": N_("pornography"),
    "drugs": N_("drugs"),
    "weapons": N_("weapons"),
    "counterfeit": N_("counterfeit"),
    "fake_document": N_("fake document"),
    "loan": N_("loan"),
    "recruitment": N_("recruitment"),
    "property": N_("property"),
    "education": N_("education"),
    "finance": N_("finance"),
    "retail": N_("retail"),
    "services": N_("services"),
    "competitor": N_("competitor"),
    "other": N_("other"),
    # views of a text, and kinds of places in it
    "normal": N_("normal form"),
    "joined": N_("marks between"),
    "split": N_("split characters"),
    "leet": N_("leet"),
    "lookalike": N_("look-alike"),
    "pinyin": N_("sound"),
    "link": N_("link"),
    "contact": N_("contact"),
    "signature": N_("signature"),
    "brand": N_("brand"),
    "phone": N_("phone"),
    "qq": N_("QQ"),
    "wechat": N_("WeChat"),
    "telegram": N_("Telegram"),
    # ports
    "open": N_("open"),
    "limited": N_("limited"),
    "suspended": N_("suspended"),
    "terminated": N_("terminated"),
    "high": N_("high risk"),
    "ordinary": N_("ordinary"),
    "trusted": N_("trusted"),
    "one_time_code": N_("one-time code"),
    "notice": N_("notice"),
    "commercial": N_("commercial"),
    "personal": N_("personal"),
    "applied": N_("applied for"),
    "filed": N_("filed"),
    "suspend": N_("suspend"),
    "resume": N_("resume"),
    "terminate": N_("terminate"),
    "limit": N_("limit"),
    "lift": N_("lift the limit"),
    "undertake": N_("undertaking"),
    "tier": N_("change of tier"),
    "warn": N_("warning to the owner"),
    # lists
    "black": N_("black list"),
    "allow": N_("allow list"),
    "watched": N_("on probation"),
    "blocked": N_("blocked recipients"),
    "unsubscribed": N_("unsubscribed"),
    "registered": N_("registered recipients"),
    # versions of the policy
    "draft": N_("draft"),
    "checked": N_("checked"),
    "shadow": N_("shadow"),
    "share": N_("share"),
    "in_force": N_("in force"),
    "archived": N_("archived"),
    "withdrawn": N_("withdrawn"),
    # channels of complaints; those of an operator have the names that the settings give them
    "hotline": N_("hotline"),
    "mo": N_("message to a complaint code"),
    "app": N_("app"),
    "web": N_("web page"),
    "http": N_("HTTP API"),
    # alerts
    "warning": N_("warning"),
    "severe": N_("severe"),
    "critical": N_("critical"),
    # rules
    "enforce": N_("in force"),
    "usual": N_("usual"),
    "more": N_("more than usual"),
    "less": N_("less than usual"),
    "too_little_data": N_("too little data"),
    "port": N_("port"),
    # deliveries
    "submitting": N_("submitting"),
    "maybe_sent": N_("maybe sent"),
    "submitted": N_("submitted"),
    "delivered": N_("delivered"),
    "failed": N_("failed"),
    "refused": N_("refused"),
    "expired": N_("expired"),
    "stopped": N_("stopped"),
    # accounts
    "viewer": N_("viewer"),
    "reviewer": N_("reviewer"),
    "senior_reviewer": N_("senior reviewer"),
    "policy_author": N_("policy author"),
    "policy_approver": N_("policy approver"),
    "operator": N_("operator"),
    "analyst": N_("analyst"),
    "administrator": N_("administrator"),
    "active": N_("active"),
    "disabled": N_("disabled"),
    "waiting": N_("must wait after failures"),
    "new": N_("one-time password"),
    # rights
    "see_traffic": N_("see figures"),
    "search": N_("search messages"),
    "see_full_text": N_("see full texts"),
    "review_second": N_("decide escalated cases"),
    "edit_lists": N_("edit lists"),
    "edit_ports": N_("edit ports"),
    "suspend_ports": N_("suspend ports"),
    "author_policy": N_("write policies"),
    "approve_policy": N_("approve policies"),
    "snooze_rules": N_("snooze rules"),
    "acknowledge_alerts": N_("handle alerts"),
    "control_channels": N_("control channels"),
    "administer": N_("manage accounts"),
    "province": N_("province"),
    "city": N_("city"),
    "enterprise": N_("enterprise"),
    "all": N_("all"),
}

VERDICT_COLOURS = {
    "release": "#2e9e6b",
    "hold": "#4a7fd4",
    "review": "#e0a21b",
    "reject": "#d4573a",
    "blacklist": "#a8455a",
}
LEVEL_COLOURS = {"warning": "#e0a21b", "severe": "#d4573a", "critical": "#b8324a"}


def word(_: Text, value: str | None) -> str:
    """A value of the pipeline in the reader's language; an unknown value is returned unchanged."""
    if value is None:
        return "–"
    return _(WORDS[value]) if value in WORDS else value


def fault(_: Text, error: AntispamError) -> str:
    """What a service refuses, in the reader's language. What a value quotes stays: a fault of a file, a name."""
    values = {name: _told(_, value) for name, value in error.values.items()}
    told = _(error.message) if error.message else ""
    return told.format(**values) if values else told


def _told(_: Text, value: object) -> object:
    if isinstance(value, AntispamError):
        return fault(_, value)
    return word(_, value) if isinstance(value, StrEnum) else value


def clock(zone: str, ms: int | None, *, date: bool = True) -> str:
    """A time in the console's time zone, to the second; without the date for times of today."""
    if ms is None:
        return "–"
    at = datetime.fromtimestamp(ms / 1000, ZoneInfo(zone))
    return at.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S")


def span(_: Text, ms: float | None) -> str:
    """A length of time with its unit: 840 ms, 12 s, 7 min, 3.5 h, 2 d."""
    if ms is None:
        return "–"
    if ms < 1000:
        return f"{max(ms, 0):.0f} ms"
    for limit, size, unit in (
        (2 * MINUTE_MS, SECOND_MS, N_("s")),
        (2 * HOUR_MS, MINUTE_MS, N_("min")),
        (2 * DAY_MS, HOUR_MS, N_("h")),
    ):
        if ms < limit:
            return f"{ms / size:.0f} {_(unit)}"
    days = _("d")
    return f"{ms / DAY_MS:.0f} {days}"


def count(number: int) -> str:
    """A figure with separated thousands."""
    return f"{number:,}"
