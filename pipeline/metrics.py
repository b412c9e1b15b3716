"""Every metric, declared and described once. Names begin with `antispam_`; labels are bounded."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

DECISIONS = Counter("antispam_decisions_total", "Submissions and records decided", ["stream", "verdict"])
MESSAGES = Counter("antispam_messages_total", "Messages (recipients) decided", ["stream", "verdict"])
RULE_HITS = Counter("antispam_rule_hits_total", "Reasons given, by rule", ["stream", "rule"])
DEGRADED = Counter("antispam_degraded_decisions_total", "Decisions made without all parts", ["stream"])
DEAD_LETTERS = Counter("antispam_dead_letters_total", "Records set aside, by topic", ["topic"])
LATE_RECORDS = Counter("antispam_late_records_total", "Records later than the allowed lateness")
REPLAYED = Counter("antispam_replayed_total", "Events met again after a crash, counted once", ["stream"])
BATCH_SECONDS = Histogram(
    "antispam_batch_seconds",
    "Time of one poll's work, by stage",
    ["stream", "stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
DECISION_SECONDS = Histogram(
    "antispam_decision_seconds",
    "From acceptance of a submission to its decision",
    ["lane"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
POSITION = Gauge("antispam_position", "Next offset the processor will read", ["topic", "partition"])
ABORTED = Counter("antispam_aborted_transactions_total", "Transactions rolled back", ["stream"])
STATE_ENTRIES = Gauge("antispam_state_entries", "Counter windows in memory", ["stream"])
EPOCH = Gauge("antispam_config_epoch", "Epoch of the configuration in force", ["stream"])
CONFIG_FAULTS = Counter("antispam_config_faults_total", "Configuration values refused at load")
READY = Gauge("antispam_ready", "1 once configuration and state are loaded", ["stream"])
ALERTS = Counter("antispam_alerts_total", "Alerts raised", ["level", "rule"])
OUTBOX_PENDING = Gauge("antispam_outbox_pending", "Publications the relay has not yet sent")
