"""The meaning of every view and column of the lake: comments in DuckDB, and `antispam query --describe`.

A column has the same meaning in all views that have it, unless a view says otherwise.
"""

from __future__ import annotations

# What a row of a view is.
ROWS = {
    "submissions": "one round of one submission, as accepted at the door; round 0 is the submission itself",
    "records": "one record of an SMSC",
    "decisions": "the decision on one round of one submission, or on one record",
    "outbound": "what was handed to a carrier's channel: a submission with the recipients of this carrier",
    "holds": "one hold: a submission that waits and is screened again in the next round",
    "cases": "one submission that was given to reviewers",
    "reviews": "the verdict on one case, by a reviewer or by the closing time",
    "port_actions": "one action on a port",
    "list_actions": "one entry that a decision asked for on a list",
    "alerts": "one alert to operators",
    "complaints": "one complaint of a recipient",
    "deliveries": "one report of a carrier on one part of a message",
    "dead_letters": "one record that could not be read, screened or kept; its bytes are with the full texts",
    "told_campaigns": "the state of a campaign when it was published; `campaigns` has the newest of each",
    "messages": "one recipient of one submission, with the verdict of its newest round",
    "reasons": "one reason of one decision",
    "ports": "a port as its decisions show it; a message that was held counts again when it is decided",
    "contents": "a content (fingerprint), over all its decisions",
    "campaign_members": "one decision of a campaign, also of its first submissions, decided before it was known",
    "campaigns": "a campaign as last published: variants of one text, over the size that the policy names",
    "traffic_hourly": "sums of decisions with the same keys; several rows may have the same keys: add them up",
    "rules_hourly": "matches of a rule with the same keys; several rows may have the same keys: add them up",
    "deliveries_hourly": "reports with the same keys; several rows may have the same keys: add them up",
    "recipients_hourly": "accepted messages with the same keys; several rows may have the same keys: add them up",
    "traffic_daily": "traffic_hourly by day",
    "rules_daily": "rules_hourly by day",
    "deliveries_daily": "deliveries_hourly by day",
    "recipients_daily": "recipients_hourly by day",
}

_CONFIGURATION = "version (a hash of its content) that decided"

# A column in every view that has it and does not say otherwise below.
COLUMNS = {
    "log_id": "cluster and topic that the row was read from; with partition and offset it names the record",
    "topic": "topic that the row was read from",
    "partition": "partition of the topic",
    "offset": "offset in the partition",
    "dt": "date (UTC) of the row; files are stored and deleted by it, so a condition on it makes queries fast",
    "hour": "begin of the hour (UTC) in which the submission was accepted or the record was written",
    "day": "day in the zone of the console (ANTISPAM_CONSOLE_ZONE)",
    "id": "id of the submission or record; numbers in it are hashed",
    "submission": "id of the submission; numbers in it are hashed",
    "n": "number of the recipient in the submission, from 1",
    "round": "0 at first, one more each time a hold has ended",
    "source": "submission or record",
    "port": "registered service code; of an unknown port the sender as given",
    "sender": "sender as given: service code with extension, or the hash of a number",
    "recipient": "keyed hash of the number: equal numbers have equal hashes",
    "recipients": "keyed hashes of the numbers",
    "kind": "one_time_code, notice, commercial or personal",
    "messages": "number of messages (recipients)",
    "content": "the text, masked: without digits, names and paths of links",
    "length": "length of the full text, code points",
    "batch": "the client's name of the batch, masked",
    "batch_size": "number of messages that the client declared for the batch",
    "template": "registered template that the client named",
    "priority": "lane: express or bulk",
    "accepted_at": "time of acceptance at the door (our clock); of a record, its own time",
    "submitted_at": "time that the client or the SMSC gave",
    "scheduled_at": "time before which the client wants nothing sent",
    "tier": "tier of the port when it was decided: high, ordinary or trusted; null without a registered port",
    "opened_at": "time of the case's first member",
    "carriers": "carrier of each recipient, in their order, by the segment of the number; empty: unknown",
    "carrier": "carrier of the recipient, by the segment of the number; empty: unknown",
    "region": "province in which the recipient's number was given out; empty: unknown",
    "regions": "province in which each recipient's number was given out, in their order; empty: unknown",
    "recipient_marks": "of each recipient the first 32 bits of its hash: finds a number without reading the hashes",
    "parts": "SMS parts that carry each message; null: no carrier takes the text",
    "valid_until": "time after which the client wants nothing sent",
    "done_at": "time at which the SMSC was done",
    "ingested_at": "time at which the record was read",
    "smsc": "SMSC that wrote the record",
    "verdict": "release, hold, review, reject or blacklist",
    "score": "probability of spam, 0 to 1; null without a model",
    "reject_score": "strict threshold of the model for the text's script or language; 1 where no score refuses it",
    "label": "spam or ham, by the classifier",
    "category": "category of the content, by the classifier; null for none",
    "exceptions": "recipients with a verdict of their own: recipient (hash), verdict, rule, carrier, region",
    "reasons": "reasons, the deciding one first: rule, verdict, severity, message, values (JSON), spans",
    "shadow": "rules in shadow mode that matched, without effect: rule, verdict",
    "beside": "verdicts of policies on trial, without effect: policy, rule, verdict",
    "suppressed": "matches that did not count (snooze, daily cap): rule, verdict, cause, scope, until",
    "counters": "values of the counters that the decision saw",
    "timings": "time of each step of the decision, microseconds",
    "fingerprint": "hash of the text without digits, case and spacing: equal contents have equal ones",
    "campaign": "known campaign that the text belongs to; null for none",
    "epoch": "number of the publication of the configuration that decided",
    "policy": f"policy: {_CONFIGURATION}",
    "dictionary": f"dictionary: {_CONFIGURATION}",
    "model": f"model: {_CONFIGURATION}",
    "degraded": "whether a part was missing, the model for example",
    "decided_at": "time of the decision",
    "hold_until": "end of the hold; null if it waits for a fact",
    "rule": "the rule that decided; null if none matched",
    "first_seen": "time of the first decision",
    "last_seen": "time of the newest decision",
    "decisions": "number of decisions",
    "ports": "number of distinct ports",
    "port_list": "20 of the ports at most",
    "released": "messages with the verdict release",
    "held": "messages put on hold; they are decided again later",
    "returned": "messages of later rounds: screened again after a hold",
    "reviewed": "messages given to a person; the person's verdict is in `reviews`",
    "rejected": "messages with the verdict reject",
    "blacklisted": "messages with the verdict blacklist",
    "channel": "channel of the carrier",
    "status": "the carrier's word on the message: DELIVRD and others",
    "at": "time of the event",
    "evidence": "id of the decision that is the evidence",
    "level": "warning, severe or critical",
    "subject": "what the alert is about: a port, a topic or the hash of a number",
    "message": "the sentence to a person, without numbers",
    "values": "values in the sentence, JSON",
}

# Where a view means something else, or has a column of its own.
OF_VIEW = {
    "submissions": {"port": "sender as given: registered service code, perhaps with an extension"},
    "messages": {
        "id": "id of the message: submission, slash, number of the recipient",
        "port": "sender as given: registered service code, perhaps with an extension",
        "verdict": "verdict of the newest round; null if not decided yet",
        "round": "newest decided round; null if not decided yet",
    },
    "records": {
        "kind": "MO (from a subscriber), AO (from an application) or MT (to a subscriber)",
        "recipient": "service code, or the keyed hash of a number",
        "status": "the SMSC's word on the message",
    },
    "outbound": {"decided_round": "round of the decision that released it"},
    "holds": {"rule": "rule that held it", "due_at": "end of the hold; null if it waits for a fact"},
    "cases": {"rule": "rule that asked for a person"},
    "reviews": {
        "case": "the case",
        "refusal": "why a reviewer refused, as the sender was told; empty: no reason was given",
        "verdict": "release, reject or blacklist",
        "reviewer": "name of the reviewer, or `pipeline` at the closing time",
        "rule": "rule that opened the case",
        "messages": "messages that the verdict decided",
        "note": "the reviewer's note, masked",
    },
    "port_actions": {"action": "suspend", "rule": "rule that asked for it"},
    "list_actions": {
        "list": "list that the entry shall go to",
        "entity": "what the value is: sender, link, contact",
        "value": "the value: a hashed number, a masked link or contact",
        "rule": "rule that asked for it",
    },
    "alerts": {"id": "id of the alert", "rule": "rule that raised it"},
    "complaints": {
        "id": "id of the complaint",
        "port": "port or number complained about; a number is hashed",
        "complained_at": "time of the complaint",
        "source": "channel that collected it",
    },
    "deliveries": {
        "id": "id of the message",
        "carrier_id": "the carrier's id of the part",
        "part": "number of the part of a long message",
        "reported_at": "time of the report",
        "port": "sender as given",
    },
    "dead_letters": {
        "origin_topic": "topic of the record",
        "origin_partition": "partition of the record",
        "origin_offset": "offset of the record",
        "cause": "why it could not be used",
        "bytes": "size of the record, bytes",
        "attempts": "how often it was tried",
    },
    "told_campaigns": {
        "messages": "messages so far",
        "ports": "ports so far",
        "senders": "senders so far",
        "growth": "messages in the last five minutes",
        "first_seen": "time of its first message",
        "last_seen": "time of its newest message",
        "first": "its first submissions: port, id",
    },
    "campaigns": {
        "messages": "messages of the campaign",
        "ports": "ports that sent it",
        "senders": "senders of it",
        "most_in_5m": "most messages in five minutes",
        "first_seen": "time of its first message",
        "last_seen": "time of its newest message",
        "decisions": "decisions since it was known",
        "category": "most frequent category of its decisions",
        "score": "mean score of its decisions",
    },
    "contents": {"category": "most frequent category", "score": "mean score", "messages": "messages, held ones once"},
    "ports": {"messages": "messages, held ones once"},
    "reasons": {
        "decided": "verdict of the decision",
        "rule": "rule of the reason",
        "verdict": "verdict that the rule asked for",
        "severity": "severity of the rule, 0 to 100: it orders reasons of one verdict",
        "spans": "where the text has it: start, end (code points of the full text), word (masked), category, via",
    },
    "traffic_hourly": {
        "messages": "messages of round 0: each message once",
        "degraded": "decisions for which a part was missing",
    },
    "rules_hourly": {
        "rule": "the rule that matched",
        "verdict": "verdict that the rule asked for",
        "effect": "deciding, counted (another reason was more severe), exception (of recipients), shadow or suppressed",
        "first": "whether it was round 0; later rounds match the same rules again",
        "decisions": "decisions that it matched",
        "messages": "messages of these decisions; of exceptions, the recipients",
    },
    "deliveries_hourly": {
        "hour": "begin of the hour (UTC) of the report",
        "port": "sender as given",
        "reports": "number of reports: one for each part of a message",
    },
    "recipients_hourly": {
        "hour": "begin of the hour (UTC) in which the submission was accepted",
        "parts": "SMS parts of these messages; a text that no carrier takes counts as one part",
    },
}
for _hourly in ("traffic_hourly", "rules_hourly", "deliveries_hourly", "recipients_hourly"):
    OF_VIEW[_hourly.replace("hourly", "daily")] = {
        name: told for name, told in OF_VIEW[_hourly].items() if name != "hour"
    }


def meaning(view: str, column: str) -> str:
    """What a column of a view says. Raises KeyError for one without a meaning."""
    return OF_VIEW.get(view, {}).get(column) or COLUMNS[column]


def known(view: str, column: str) -> bool:
    """Whether the column of a view has a meaning."""
    return column in OF_VIEW.get(view, {}) or column in COLUMNS


def comments(columns: list[tuple[str, str]]) -> str:
    """SQL that comments the views and these columns of them (view, column)."""
    of_views = [f"COMMENT ON VIEW {view} IS '{_quoted(row)}';" for view, row in ROWS.items()]
    of_columns = [
        f"COMMENT ON COLUMN {view}.\"{column}\" IS '{_quoted(meaning(view, column))}';" for view, column in columns
    ]
    return "".join(of_views + of_columns)


def _quoted(text: str) -> str:
    return text.replace("'", "''")
