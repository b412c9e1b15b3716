"""Every metric, declared and described once. Names begin with `antispam_`; labels are bounded."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

DECISIONS = Counter("antispam_decisions_total", "Submissions and records decided", ["stream", "verdict"])
MESSAGES = Counter("antispam_messages_total", "Messages (recipients) decided", ["stream", "verdict"])
RULE_HITS = Counter("antispam_rule_hits_total", "Reasons in decisions, by rule", ["stream", "rule"])
DEGRADED = Counter(
    "antispam_degraded_decisions_total", "Decisions made while a part (the model) was missing", ["stream"]
)
DEAD_LETTERS = Counter("antispam_dead_letters_total", "Records put into dead letters, by topic", ["topic"])
RETRIES = Counter(
    "antispam_outage_retries_total", "Retries during outages of the broker or the database, by part", ["part"]
)
LATE_RECORDS = Counter("antispam_late_records_total", "Records later than the allowed lateness")
REPLAYED = Counter(
    "antispam_replayed_total", "Counter updates skipped because they were made before a crash", ["stream"]
)
BATCH_SECONDS = Histogram(
    "antispam_batch_seconds",
    "Seconds of work for one poll, by stage",
    ["stream", "stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
DECISION_SECONDS = Histogram(
    "antispam_decision_seconds",
    "Seconds from the acceptance of a submission to its decision",
    ["lane"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
POSITION = Gauge("antispam_position", "Next offset the processor will read", ["topic", "partition"])
ABORTED = Counter("antispam_aborted_transactions_total", "Transactions rolled back", ["stream"])
STATE_ENTRIES = Gauge("antispam_state_entries", "Counter windows in memory", ["stream"])
STATE_DROPPED = Counter(
    "antispam_state_dropped_total", "Counter windows dropped because there were too many", ["stream"]
)
EPOCH = Gauge("antispam_config_epoch", "Epoch of the configuration in force", ["stream"])
CAMPAIGNS_TOLD = Counter("antispam_campaigns_told_total", "Campaigns published to the workers, updates included")
COUNTER_VALUES_TOLD = Counter(
    "antispam_counter_values_told_total", "Windows of shared counters published to the workers, updates included"
)
COUNTER_VALUE_SECONDS = Histogram(
    "antispam_counter_value_seconds",
    "Seconds from a decision to its value of a shared counter at a worker",
    ["kind"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60),
)
CONFIG_FAULTS = Counter("antispam_config_faults_total", "Configuration values refused at load")
ALERT_POSTS = Counter(
    "antispam_alert_posts_total", "Changes of alerts told to a feed, by outcome of the try", ["feed", "outcome"]
)
ALERTS = Counter("antispam_alerts_total", "Alerts raised", ["level", "rule"])
PART_READY = Gauge("antispam_part_ready", "1 while this part of the process is ready", ["part"])
OUTBOX_PENDING = Gauge("antispam_outbox_pending", "Publications that the relay has not sent yet")
REPORTS_PENDING = Gauge(
    "antispam_reports_pending", "Carriers' reports that are stored and that the relay has not sent yet"
)
UNDECODABLE = Counter(
    "antispam_undecodable_total", "Records left out because they could not be decoded, by topic", ["topic"]
)
CALLBACKS = Counter(
    "antispam_callbacks_total", "Callbacks posted to the owners of ports, by outcome of the try", ["outcome"]
)
HTTP_REQUESTS = Counter("antispam_http_requests_total", "Requests to the HTTP API", ["route", "status"])
HTTP_SECONDS = Histogram(
    "antispam_http_seconds",
    "Seconds from the headers of a request to its answer",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
CONNECTIONS_ENDED = Counter(
    "antispam_http_connections_ended_total", "Connections ended by the server, by reason", ["why"]
)
ACCEPTED = Counter("antispam_accepted_total", "Submissions acknowledged by the broker, by source", ["way", "lane"])
PARTS_OPEN = Gauge("antispam_parts_open", "Parts of long messages that wait for the others")
PARTS_REPEATED = Counter("antispam_parts_repeated_total", "Parts of long messages that ports sent again")
LONG_MESSAGES = Counter(
    "antispam_long_messages_total", "Long messages closed, by cause: whole, deadline, room, and unreadable", ["cause"]
)
LINK_REPORTS = Counter(
    "antispam_link_reports_total", "Reports and replies for links of ports: made, accepted, given_up", ["outcome"]
)
REPLIES = Counter(
    "antispam_replies_total",
    "Subscribers' whole messages: brought to a port, stopped, complaint, no_port, not_text",
    ["outcome"],
)
PORT_LINKS = Gauge("antispam_port_links", "Links of ports that are open, also before their login")
PORT_LINKS_REFUSED = Counter("antispam_port_links_refused_total", "Links closed at once, because too many are open")
PORT_LOGINS_REFUSED = Counter("antispam_port_logins_refused_total", "Logins of ports refused", ["protocol", "cause"])
PORT_SUBMISSIONS = Counter(
    "antispam_port_submissions_total",
    "Submissions of ports answered, without those over the rate or the window",
    ["protocol", "outcome"],
)
DUPLICATES = Counter("antispam_duplicate_submissions_total", "Submissions received again and not accepted again")
LAG = Gauge("antispam_lag", "Submissions acknowledged and not decided yet; parts not joined yet", ["lane"])
PARTS = Counter("antispam_parts_total", "SMS parts completed by the sender, by state", ["channel", "state"])
RESENT = Counter(
    "antispam_resent_parts_total", "SUBMITs of parts that the carrier may have received before", ["channel"]
)
MOVED = Counter("antispam_moved_messages_total", "Messages that moved to another channel", ["channel", "to"])
THROTTLED = Counter("antispam_throttled_total", "SUBMITs answered with a throttle code", ["channel"])
LINKS = Gauge("antispam_links", "Links that are logged in at the carrier", ["channel"])
AT_RISK = Gauge("antispam_parts_at_risk", "Parts that a crash now would leave in doubt", ["channel"])
FRAMES_SKIPPED = Counter(
    "antispam_frames_skipped_total", "Carriers' frames that were skipped, by reason", ["channel", "reason"]
)
REPORTS = Counter("antispam_delivery_reports_total", "Carriers' reports, by outcome", ["channel", "outcome"])
PROJECTED = Counter("antispam_projected_total", "Records applied to the operational database", ["topic"])
ROUNDS_DROPPED = Counter(
    "antispam_rounds_dropped_total", "Submissions and rounds dropped because they were decided before"
)
HOLDS_ENDED = Counter("antispam_holds_ended_total", "Holds that ended, by result: screened again or expired", ["how"])
MEMBERS_SETTLED = Counter(
    "antispam_case_members_settled_total", "Members of decided cases whose verdict was carried out", ["verdict"]
)
CASES_OVERDUE = Counter("antispam_cases_overdue_total", "Cases not decided by their due time")
CASES_CLOSED = Counter("antispam_cases_closed_total", "Cases refused because review hours ended")
LAKE_LAG = Gauge("antispam_lake_lag_seconds", "Seconds that the oldest unwritten record has waited for the lake")
LAKE_FAILURES = Gauge("antispam_lake_failures", "Failed commits to the lake since the process started")
SOURCE_UP = Gauge("antispam_record_source_up", "1 while a source of record or submission files answers", ["source"])
RECORD_FILES = Counter(
    "antispam_record_files_total", "Files of records and of submissions, by outcome", ["source", "outcome"]
)
BLACKLIST_ENTRIES = Gauge(
    "antispam_blacklist_file_entries", "Entries of the black list file that was written last", ["target"]
)
ORDERS = Counter("antispam_number_orders_total", "What happened to orders about numbers", ["party", "kind", "deed"])
EXCHANGE_UP = Gauge("antispam_order_exchange_up", "1 while files or posts with orders reach a party", ["party"])
BLACKLIST_UP = Gauge("antispam_blacklist_target_up", "1 while the black list file is up to date", ["target"])
