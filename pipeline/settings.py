"""Every setting, from the environment (`ANTISPAM_…`) or a `.env` file. Secrets come from nowhere else."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from datetime import UTC, datetime
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.file_exchange import (
    COMPLAINT_SHAPES,
    BlacklistTarget,
    ComplaintShape,
    Ordinal,
    RecordSource,
    SubmissionSource,
)
from pipeline.order_exchange import OrderExchange

RECORD_FIELDS = ("id", "kind", "sender", "recipient", "content", "submitted_at", "done_at", "status", "smsc")


class Settings(BaseSettings):
    """Settings of one process. Sizes are bytes, durations seconds, unless the name says otherwise."""

    model_config = SettingsConfigDict(
        env_prefix="ANTISPAM_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    kafka: str | None = Field(None, description="Bootstrap servers, host:port[,host:port]. Unset: the embedded broker.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How every client reaches the brokers of ANTISPAM_KAFKA: TLS (SSL), signed in (SASL)."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How a client proves its password; PLAIN shows it to the broker."
    )
    kafka_username: str | None = Field(None, description="User of the broker (SASL).")
    kafka_password: SecretStr | None = Field(None, description="Password of that user.")
    kafka_ca: Path | None = Field(
        None, description="PEM file of the authorities that sign the brokers' certificates. Unset: the system's."
    )
    kafka_certificate: Path | None = Field(None, description="PEM file of the client's certificate, with its chain.")
    kafka_certificate_key: Path | None = Field(None, description="PEM file of that certificate's private key.")
    kafka_certificate_key_password: SecretStr | None = Field(None, description="Password of that file.")
    data_dir: Path = Field(Path("var"), description="Lake, operational database, embedded broker's log, blobs.")
    database_url: SecretStr | None = Field(
        None, description="Operational database, postgresql://user:password@host/name. Unset: SQLite in data_dir."
    )
    partitions: int = Field(
        8, ge=1, le=512, description="Partitions of every co-partitioned topic; set before first start."
    )
    replication: int = Field(1, ge=1, le=7, description="Replication factor of created topics.")
    channels: tuple[str, ...] = Field(
        ("default",), description="Carrier channels; a port's registration names the one it uses."
    )
    channels_file: Path | None = Field(
        None, description="channels.yaml: carrier, address and limits of each channel. Unset: nothing is sent."
    )
    portability: Path | None = Field(
        None, description="CSV number,carrier: numbers that moved to another carrier and kept their prefix."
    )
    cngp_udhi_tag: int | None = Field(
        None,
        ge=0,
        le=0xFFFF,
        description="Tag of the CNGP parameter that says that a text begins with a user data header; no public text "
        "names it. Unset: CNGP texts are read without headers.",
    )
    resend_maybe_sent: bool = Field(
        True,
        description="Send again if a crash or a silent carrier left a message's state unknown: none is lost, at most "
        "one window is repeated after a crash. False: none is repeated, and it is lost if the carrier never had it.",
    )
    worker_id: str = Field(
        "worker-0",
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Unique and stable per worker: its transactional id, so a restart takes over at once.",
    )
    policy_approval: Literal["one", "two", "strict"] = Field(
        "two",
        description="Who lets a policy, dictionary, calendar or brands decide. one: its author may. two: another "
        "person than its author; `antispam policy publish` and `config publish` from a shell still need one person. "
        "strict: these two are refused for a new version.",
    )
    session_timeout: float = Field(
        10.0, ge=6, description="Seconds without a heartbeat until a dead worker's partitions move."
    )
    batch_messages: int = Field(
        2000, ge=1, description="Messages screened per poll and lane; bounds the time between polls."
    )
    web_host: str = Field("127.0.0.1", description="Address the pages of health, readiness and metrics bind to.")
    web_port: int = Field(6066, ge=1, le=65535, description="Port of a worker's page.")
    serve_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port of the page of `antispam serve` and `sink`. Unset: 6070 + the first role's place in the "
        "list of roles, 6069 for the sink. 0: a free one, told in the log.",
    )
    console_host: str = Field("127.0.0.1", description="Address the console binds to.")
    console_port: int = Field(8501, ge=1, le=65535, description="Port of the console.")
    console_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#@]+/?$",
        description="Address at which people open the console, when a proxy stands before it: https://console.example",
    )
    console_zone: str = Field("Asia/Shanghai", description="Zone of the times the console shows.")
    max_content: int = Field(2000, ge=70, le=20_000, description="Longest accepted content, code points.")
    max_recipients: int = Field(
        10_000,
        ge=1,
        le=40_000,
        description="Most recipients of one submission; 40,000 at most: its decision must fit a record.",
    )
    campaign_texts: int = Field(
        1_000_000, ge=1000, description="Texts that the campaign stage keeps in memory; a million take 393 MB."
    )
    counter_windows: int = Field(
        4_000_000,
        ge=1000,
        description="Windows of counters that a process keeps for each stream; above it those moved longest ago are "
        "dropped. A million take 240 MB, or 350 MB with distinct values.",
    )
    late_minutes: int = Field(10, ge=0, description="Lateness after which a record is flagged (minutes).")
    record_columns: dict[str, str | Ordinal] | None = Field(
        None,
        description="Our record fields and the csv columns of the SMSC that hold them, by name or number from 1 "
        "(JSON). Unset: our names, or without a header our order.",
    )
    record_time_format: str | None = Field(
        None,
        description="strptime format of record times, such as %Y%m%d%H%M%S. Unset: ISO 8601 or epoch ms.",
    )
    record_zone: str = Field("Asia/Shanghai", description="Zone of record times without a zone.")
    record_sources: tuple[RecordSource, ...] = Field(
        (),
        description='Where record files lie (JSON): [{"name": "smsc1", "url": "sftp://user@host/out/*.csv.gz"}]; '
        "quiet, marker, after, moved_to, columns, delimiter, header, quotes, time_format, key as RecordSource in "
        "pipeline/file_exchange.py. Passwords: ANTISPAM_SOURCE_<NAME>_SECRET.",
    )
    submission_sources: tuple[SubmissionSource, ...] = Field(
        (),
        description='Where enterprises put files of submissions (JSON): [{"name": "acme", "port": "10690001", "url": '
        '"sftp://user@host/in/*.csv"}]; quiet, marker, after, moved_to, rejected_to, delimiter, header, quotes, key as '
        "SubmissionSource in pipeline/file_exchange.py. Passwords: ANTISPAM_SOURCE_<NAME>_SECRET.",
    )
    record_poll: float = Field(30.0, gt=0, description="Seconds between two listings of a source of files.")
    record_file_bytes: int = Field(2 << 30, ge=1, description="Largest record file that is fetched.")
    blacklist_file: BlacklistTarget | None = Field(
        None,
        description='Where the black list goes (JSON): {"name": "smsc1", "url": "ftp://user@host/in/black.csv"}; '
        "columns, header, delimiter, encoding, key as BlacklistTarget in pipeline/file_exchange.py.",
    )
    tier_changes: Literal["propose", "apply"] = Field(
        "propose",
        description="What a port's conduct of complete months does to its tier. propose: a person decides. apply: it "
        "is changed at once.",
    )
    complaint_shapes: dict[str, ComplaintShape] = Field(
        COMPLAINT_SHAPES,
        description="How complaint channels write their files and want their answers, by name (JSON): columns, lines, "
        "texts, time_format, zone, answer_days, answer, delimiter, header, quotes as ComplaintShape in "
        "pipeline/file_exchange.py. They replace or join the shipped 12321, hotline, mo and 7726.",
    )
    complaint_key: SecretStr | None = Field(
        None, min_length=16, description="Key with which complaint channels post to the API. Unset: none may."
    )
    order_exchanges: tuple[OrderExchange, ...] = Field(
        (),
        description='How orders about numbers reach BOSS, HLR and other networks (JSON): [{"party": "boss", "orders": '
        '{"name": "boss-in", "url": "sftp://user@host/in/suspect-*.csv"}, "answers": {"name": "boss-out", "url": …}}]; '
        "every key as OrderExchange in pipeline/order_exchange.py.",
    )
    own_carriers: tuple[str, ...] = Field(
        (), description="Carriers whose numbers our BOSS serves (JSON), as in the number segments. Unset: all."
    )
    number_probation_days: int = Field(
        30, ge=1, le=3650, description="Days that a number is watched after BOSS restored it by itself."
    )
    stop_notice_port: str = Field("", description="Port that tells subscribers of their stop. Unset: nobody is told.")
    stop_notice: str = Field(
        "【短信治理】您的短信发送功能已暂停，原因：{reason}。如需恢复，请联系客服并签署承诺书。",
        description="Its text for a stopped number; {reason} is the sentence of the rule.",
    )
    restore_notice: str = Field(
        "【短信治理】您的短信发送功能已恢复，请遵守承诺。", description="Its text for a restored number."
    )
    known_hosts: Path | None = Field(
        None, description="Host keys of SFTP servers, OpenSSH's format; others are refused. Unset: in data_dir."
    )
    lake_flush: float = Field(5.0, gt=0, description="Longest time between lake commits (seconds).")
    retention_days: int = Field(160, ge=1, description="Days that texts and numbers are kept; the law asks 150.")
    consent_proof_days: int = Field(
        1095,
        ge=150,
        description="Days that an ended or replaced consent is kept as proof: three years, the limitation of claims.",
    )
    hold_days: int = Field(
        3,
        ge=1,
        description="Days a submission waits until its port is registered or a policy is there; then it is refused.",
    )
    status_days: int = Field(7, ge=1, description="Days the API can tell a submission's state.")
    lake_url: str | None = Field(
        None,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{2,62}(/[\w./-]*)?$",
        description="Where the lake's tables lie in an object store: s3://bucket/prefix. Unset: in data_dir.",
    )
    lake_group: str | None = Field(
        None,
        description="Group whose members may read the lake's tables without full texts. Unset: only the owner may.",
    )
    privacy_key: SecretStr | None = Field(
        None, description="Keys the hashes of numbers in the lake. Unset: made at first start in data_dir."
    )
    audit_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="Signs the audit trail; every process that opens the database needs this key, for good. Unset: "
        "made at first start in data_dir.",
    )
    release_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="Signs releases; workers, releaser and senders need the same key. Unset: made at first start "
        "in data_dir.",
    )
    release_key_before: SecretStr | None = Field(
        None,
        min_length=16,
        description="The old release key during a change of keys: senders accept its releases, too.",
    )
    callback_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description='Networks to which callbacks may go, besides the public internet (JSON): ["10.20.0.0/16"].'
    )
    alert_file: Path | None = Field(None, description="File to which each change of an alert is appended, as JSON.")
    alert_webhook: str | None = Field(
        None,
        pattern=r"^https?://[^/?#@\s]+(/\S*)?$",
        max_length=2048,
        description="Address to which changes of alerts are posted, signed with ANTISPAM_ALERT_WEBHOOK_SECRET.",
    )
    alert_webhook_secret: SecretStr = Field(
        SecretStr(""), description="The secret of the alerts' webhook, of at least 16 characters."
    )
    api_host: str = Field("127.0.0.1", description="Address the HTTP API binds to; a TLS proxy stands before it.")
    api_port: int = Field(8080, ge=1, le=65535, description="Port of the HTTP API.")
    api_head_seconds: float = Field(
        10.0,
        gt=0,
        le=60,
        description="Seconds a client has for the head of a request; without a valid key, for the whole request.",
    )
    api_requests: int = Field(
        64, ge=1, description="Requests with a valid key served at once; a further one is answered 503."
    )
    api_items: int = Field(1000, ge=1, description="Most submissions in one array.")
    api_body_bytes: int = Field(2 * 1024 * 1024, ge=1024, description="Longest body of POST /v1/submissions.")
    api_batch_bytes: int = Field(64 * 1024 * 1024, ge=1024, description="Largest batch file, unpacked.")
    api_ack_seconds: float = Field(
        10.0, gt=0, le=60, description="Seconds a request waits for the broker; then it is answered 503."
    )
    api_lag_limit: int = Field(
        50_000,
        ge=1,
        description="Submissions of a lane not decided yet, above which the API answers 429: 4 s of one worker's work.",
    )
    links_host: str = Field("127.0.0.1", description="Address on which `antispam serve links` listens for ports.")
    cmpp_port: int | None = Field(
        None, ge=0, le=65535, description="Port for CMPP 2.0 and 3.0. Unset: off. 0: a free one, told in the log."
    )
    smpp_port: int | None = Field(
        None, ge=0, le=65535, description="Port for SMPP 3.4. Unset: off. 0: a free one, told in the log."
    )
    smgp_port: int | None = Field(
        None, ge=0, le=65535, description="Port for SMGP 3.0. Unset: off. 0: a free one, told in the log."
    )
    sgip_port: int | None = Field(
        None, ge=0, le=65535, description="Port for SGIP 1.2. Unset: off. 0: a free one, told in the log."
    )
    link_accounts: Path | None = Field(
        None, description="accounts.yaml: who may log in over links. Secrets: ANTISPAM_LINK_<ACCOUNT>_SECRET."
    )
    unsubscribe_words: tuple[str, ...] = Field(
        ("退订", "拒收", "取消订阅", "取消接收", "STOP", "UNSUBSCRIBE"),
        description="Answers of subscribers that unsubscribe from any port (JSON); spelling and marks do not matter.",
    )
    unsubscribe_short_words: tuple[str, ...] = Field(
        ("T", "TD", "N", "R"), description="The same, for ports that registered no words of their own."
    )
    resubscribe_words: tuple[str, ...] = Field(
        ("恢复订阅", "重新订阅", "恢复接收", "取消退订", "START", "RESUBSCRIBE"),
        description="Answers of subscribers who want the messages of a port again.",
    )
    complaint_words: tuple[str, ...] = Field(
        ("投诉", "举报", "COMPLAIN", "COMPLAINT"),
        description="Answers that complain about a port, alone or as the first word.",
    )
    complaint_codes: dict[str, str] = Field(
        {"10086999": "mo", "10010999": "mo", "10000999": "mo", "12321": "mo", "7726": "7726"},
        description="Service codes to which subscribers complain, and the name in ANTISPAM_COMPLAINT_SHAPES that "
        "says how they write the number they complain about (JSON).",
    )
    unsubscribe_confirmation: str = Field(
        "【{signature}】您已成功退订。Your request has been processed.",
        max_length=500,
        description="What a subscriber is told who unsubscribed; {signature} is the port's. Empty: nothing.",
    )
    resubscribe_confirmation: str = Field(
        "【{signature}】您已成功恢复订阅。Your request has been processed.",
        max_length=500,
        description="What a subscriber is told who subscribed again. Empty: nothing.",
    )
    dead_letter_count: int = Field(
        50,
        ge=1,
        description="A process stops instead of setting failed records aside when at least this many of the records "
        "polled last failed, and their share is above ANTISPAM_DEAD_LETTER_RATIO.",
    )
    dead_letter_ratio: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Share of failures among the records polled last, above which the cause cannot be single "
        "events. 1: never; every failed record is set aside.",
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @model_validator(mode="after")
    def _alerts(self) -> Self:
        if self.alert_webhook is not None and len(self.alert_webhook_secret.get_secret_value()) < 16:
            raise ValueError("ANTISPAM_ALERT_WEBHOOK needs ANTISPAM_ALERT_WEBHOOK_SECRET, of at least 16 characters")
        return self

    @model_validator(mode="after")
    def _kafka(self) -> Self:
        if self.kafka_security_protocol != "PLAINTEXT" and not self.kafka:
            raise ValueError(
                "ANTISPAM_KAFKA_SECURITY_PROTOCOL needs ANTISPAM_KAFKA: the embedded broker has no security"
            )
        if self.kafka_sasl and not (self.kafka_username and self.kafka_password):
            raise ValueError("ANTISPAM_KAFKA_USERNAME and ANTISPAM_KAFKA_PASSWORD are needed with SASL")
        if (self.kafka_certificate is None) != (self.kafka_certificate_key is None):
            raise ValueError("ANTISPAM_KAFKA_CERTIFICATE and ANTISPAM_KAFKA_CERTIFICATE_KEY go together")
        if not self.kafka_tls and (self.kafka_ca or self.kafka_certificate):
            raise ValueError("ANTISPAM_KAFKA_CA and ANTISPAM_KAFKA_CERTIFICATE need the protocol SSL or SASL_SSL")
        for path in (self.kafka_ca, self.kafka_certificate, self.kafka_certificate_key):
            if path is not None and not path.is_file():
                raise ValueError(f"{path}: no such file")
        return self

    @property
    def kafka_sasl(self) -> bool:
        """Whether clients sign in to the brokers by name and password."""
        return self.kafka_security_protocol.startswith("SASL")

    @property
    def kafka_tls(self) -> bool:
        """Whether connections to the brokers are encrypted."""
        return self.kafka_security_protocol.endswith("SSL")

    @field_validator("record_zone", "console_zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("unknown time zone; Asia/Shanghai or UTC, say, expected") from None
        return name

    @field_validator("complaint_shapes")
    @classmethod
    def _shapes(cls, shapes: dict[str, ComplaintShape]) -> dict[str, ComplaintShape]:
        for name, shape in shapes.items():
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name):
                raise ValueError("a name of 1 to 32 letters, digits, - and _ expected")
            cls._time_format(shape.time_format)
            cls._zone(shape.zone)
        return COMPLAINT_SHAPES | shapes

    @model_validator(mode="after")
    def _codes(self) -> Self:
        for code, shape in self.complaint_codes.items():
            if shape not in self.complaint_shapes:
                raise ValueError(f"complaint_codes: {code}: a name in complaint_shapes expected")
        return self

    @field_validator("record_sources")
    @classmethod
    def _sources(cls, sources: tuple[RecordSource, ...]) -> tuple[RecordSource, ...]:
        for source in sources:
            cls._time_format(source.time_format)
            try:
                cls._record_fields(source.columns)
            except ValueError as error:
                raise ValueError(f"{source.name}: {error}") from None
        return sources

    @field_validator("order_exchanges")
    @classmethod
    def _exchanges(cls, exchanges: tuple[OrderExchange, ...]) -> tuple[OrderExchange, ...]:
        if len({exchange.party for exchange in exchanges}) < len(exchanges):
            raise ValueError("one exchange for each party expected")
        return exchanges

    @model_validator(mode="after")
    def _source_names(self) -> Self:
        # Names become environment variables and folders, where case and the difference of - and _ are lost.
        sources = (
            *self.record_sources,
            *self.submission_sources,
            *(source for exchange in self.order_exchanges for source in exchange.sources),
        )
        names = Counter(source.name.upper().replace("-", "_") for source in sources)
        for source in sources:
            if names[source.name.upper().replace("-", "_")] > 1:
                raise ValueError(f"{source.name}: each source needs a name of its own")
        return self

    @field_validator("stop_notice", "restore_notice")
    @classmethod
    def _notice(cls, text: str) -> str:
        if not text.strip() or set(re.findall(r"[{}]", text.replace("{reason}", ""))):
            raise ValueError("a text expected, with {reason} as its only slot")
        return text

    @field_validator("record_columns")
    @classmethod
    def _record_fields(cls, columns: dict[str, str | int] | None) -> dict[str, str | int] | None:
        if set(columns or ()) - set(RECORD_FIELDS):
            raise ValueError(f"columns of {', '.join(RECORD_FIELDS)} expected")
        return columns

    @field_validator("record_time_format")
    @classmethod
    def _time_format(cls, form: str | None) -> str | None:
        probe = datetime(2024, 12, 31, 23, 59, tzinfo=UTC)
        try:
            known = form is None or datetime.strptime(probe.strftime(form), form).date() == probe.date()  # noqa: DTZ007 - its date only
        except (ValueError, re.error):
            known = False
        if not known:
            raise ValueError("a strptime format with the whole date expected, such as %Y%m%d%H%M%S")
        return form

    @cached_property
    def privacy_secret(self) -> bytes:
        """The key for the hashes of numbers."""
        return self._secret("privacy", self.privacy_key)

    @cached_property
    def audit_secret(self) -> bytes:
        """The key that signs the audit trail."""
        return self._secret("audit", self.audit_key)

    @cached_property
    def release_secret(self) -> bytes:
        """The key that signs releases; see actions/proof.py."""
        return self._secret("release", self.release_key)

    @cached_property
    def release_secrets(self) -> tuple[bytes, ...]:
        """The keys accepted on releases: the current key and, during a change of keys, the one before."""
        before = self.release_key_before
        return self.release_secret, *([before.get_secret_value().encode()] if before else ())

    def _secret(self, name: str, given: SecretStr | None) -> bytes:
        """A key from the environment, or else from `<name>.key`, which is created at first use for its owner only."""
        if given is not None:
            return given.get_secret_value().encode()
        path = self.data_dir / f"{name}.key"
        if not path.exists():
            self.data_dir.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(f".{secrets.token_hex(4)}")
            fresh.touch(mode=0o600)
            fresh.write_bytes(secrets.token_bytes(32))
            try:
                path.hardlink_to(fresh)  # the first of several starting processes creates it
            except FileExistsError:
                fresh.unlink()
                return path.read_bytes()
            fresh.unlink()
        return path.read_bytes()

    @property
    def known_hosts_file(self) -> Path:
        """The file of host keys for SFTP servers. Without the file, all servers are refused."""
        return self.known_hosts or self.data_dir / "known_hosts"

    @property
    def lake_dir(self) -> Path:
        """The folder of the lake's tables, unless they are in an object store."""
        return self.data_dir / "lake"

    @property
    def lake_place(self) -> Path | str:
        """Where the lake's tables lie: the folder, or the address in an object store."""
        return self.lake_url.rstrip("/") if self.lake_url else self.lake_dir

    @property
    def blob_dir(self) -> Path:
        """The folder of configuration values that are too large for a topic; a file's name is its hash."""
        return self.data_dir / "blobs"
