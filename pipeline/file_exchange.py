"""Declares the files exchanged with SMSCs and complaint channels, and their addresses: settings without secrets.

An address is `file:///folder/*.csv.gz`, `ftp://user@host:port/folder/*.csv` or `sftp://…`. Passwords come only from
the environment, as `ANTISPAM_SOURCE_<NAME>_SECRET`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

DEFAULT_PORTS = {"file": 0, "ftp": 21, "sftp": 22}
Delimiter = Literal[",", ";", "|", "\t"]
DELIMITERS: tuple[Delimiter, ...] = get_args(Delimiter)
LIST_FIELDS = ("value", "reason", "added_at", "expires_at")
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Address(BaseModel):
    """The parts of an address: `folder` is absolute, `pattern` is the last part of the path."""

    model_config = ConfigDict(frozen=True)

    scheme: Literal["file", "ftp", "sftp"]
    host: str
    port: int
    user: str
    folder: str
    pattern: str


def address(url: str) -> Address:
    """Parse an address. Raises ValueError with the fault; the text never quotes the address."""
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS:
        raise ValueError("an address that begins with file, ftp or sftp expected")
    if parts.password is not None:
        raise ValueError("no password in an address: ANTISPAM_SOURCE_<NAME>_SECRET in the environment holds it")
    if parts.query or parts.fragment:
        raise ValueError("? and # have no place in an address; * stands for any characters")
    remote = parts.scheme != "file"
    if remote != bool(parts.hostname) or (remote and not parts.username):
        raise ValueError("user@host expected for ftp and sftp, neither for file")
    folder, _, pattern = unquote(parts.path).rpartition("/")
    if not parts.path.startswith("/") or not pattern or _CONTROL.search(folder + pattern + (parts.username or "")):
        raise ValueError("a path from / to a file name or pattern expected, without control characters")
    return Address(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or DEFAULT_PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        folder=folder or "/",
        pattern=pattern,
    )


def _checked(url: str) -> str:
    address(url)
    return url


Url = Annotated[str, AfterValidator(_checked)]
Ordinal = Annotated[int, Field(ge=1, le=1000)]


class Endpoint(BaseModel):
    """A named address with its sign-in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=_NAME, description="Names the source in metrics, logs and its secret's variable.")
    url: Url
    key: Path | None = Field(None, description="SFTP: private key file; the secret is then its passphrase.")

    @property
    def address(self) -> Address:
        """The parsed address."""
        return address(self.url)

    @property
    def secret(self) -> str | None:
        """The password (or passphrase) from `ANTISPAM_SOURCE_<NAME>_SECRET`; None if it is not set."""
        return os.environ.get(f"ANTISPAM_SOURCE_{self.name.upper().replace('-', '_')}_SECRET")


class CsvForm(BaseModel):
    """How a csv is written. A field that is None is found from the csv's first lines (`files/columns.py`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delimiter: Delimiter | None = Field(None, description="Between two columns.")
    header: bool | None = Field(None, description="Whether a first line names the columns.")
    quotes: bool = Field(True, description="Whether cells may stand in quotation marks; false: a mark is a character.")


class FolderSource(Endpoint, CsvForm):
    """A folder into which a far side puts files."""

    quiet: float = Field(
        30.0,
        ge=0,
        description="Seconds that size and time of a file must stay the same before it is taken; 0 where the far side "
        "renames a finished file into place.",
    )
    marker: str | None = Field(
        None,
        pattern=r"^\.[A-Za-z0-9_.-]{1,16}$",
        description="Suffix of the empty file that says its namesake is finished (x.csv.ok: .ok); replaces `quiet`.",
    )
    after: Literal["keep", "move", "delete"] = Field("keep", description="The far file's fate once ingested.")
    moved_to: str = Field("done", description="Folder below the source's that `after: move` uses; it must exist.")

    @field_validator("moved_to", "rejected_to", check_fields=False)
    @classmethod
    def _folder(cls, name: str) -> str:
        if not name or name in (".", "..") or "/" in name or _CONTROL.search(name):
            raise ValueError("one folder name expected")
        return name


class RecordSource(FolderSource):
    """A folder into which an SMSC puts record files."""

    columns: dict[str, str | Ordinal] | None = Field(
        None, description="As ANTISPAM_RECORD_COLUMNS, for this source: names, or numbers from 1."
    )
    time_format: str | None = Field(None, description="As ANTISPAM_RECORD_TIME_FORMAT, for this source.")

    @model_validator(mode="after")
    def _named_by_a_header(self) -> RecordSource:
        numbered = any(isinstance(name, int) for name in (self.columns or {}).values())
        no_header = numbered if self.header is None else not self.header
        if no_header and any(isinstance(name, str) for name in (self.columns or {}).values()):
            raise ValueError("columns without a header are named by numbers, from 1")
        return self


class SubmissionSource(FolderSource):
    """A folder into which an enterprise puts files of submissions, and from which it takes their results."""

    port: str = Field(
        pattern=r"^\d{3,21}$", description="The registered port whose submissions, or an extension's, lie there."
    )
    after: Literal["move", "delete"] = Field("move", description="The far file's fate once its result lies beside it.")
    rejected_to: str = Field("rejected", description="Folder for files that nobody can read; it must exist.")


class BlacklistTarget(Endpoint):
    """The file from which an SMSC reads our black list. It is written again whenever the list has changed."""

    columns: dict[str, str] = Field(
        {"value": "number"},
        description=f"Columns in order: our field ({', '.join(LIST_FIELDS)}) and the SMSC's name for it.",
    )
    header: bool = Field(True, description="Whether the first line names the columns.")
    delimiter: Delimiter = ","
    encoding: Literal["utf-8", "gbk"] = "utf-8"

    @field_validator("url")
    @classmethod
    def _one_file(cls, url: str) -> str:
        if re.search(r"[*?\[]", address(url).pattern):
            raise ValueError("one file name expected, not a pattern")
        return url

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        if not columns or set(columns) - set(LIST_FIELDS):
            raise ValueError(f"columns of {', '.join(LIST_FIELDS)} expected")
        return columns


COMPLAINT_FIELDS = ("id", "reference", "recipient", "port", "complained_at", "content")
TEXT = "text"  # a field of a line that has port and content in one, as a subscriber wrote them
ANSWER_FIELDS = ("reference", "recipient", "port", "complained_at", "received_at", "found", "done", "answered_at")
_PLACE = re.compile(r"\{([a-z_]*)\}")


class ComplaintShape(CsvForm):
    """How a channel writes its complaints, and how it wants its answers.

    A file is a csv with `columns`, or plain lines that `lines` describe: `{recipient}#{complained_at}#{text}`, where
    `{}` is a part that nobody needs. A `text` holds the port and the content as `texts` describe: `{port}*{content}`.
    The first description that fits counts. A sign between two parts may be full-width.
    """

    columns: dict[str, str | Ordinal] = Field({}, description="Our fields and the columns that hold them.")
    lines: tuple[str, ...] = Field((), description="Descriptions of a line, in place of columns.")
    texts: tuple[str, ...] = Field(("{port}*{content}", "{port}#{content}"), description="Descriptions of a text.")
    time_format: str | None = Field(None, description="strptime format; unset: ISO 8601 with a zone or epoch ms.")
    zone: str = Field("Asia/Shanghai", description="Zone of times without a zone.")
    answer_days: int = Field(15, ge=1, le=60, description="Working days until an answer is due.")
    answer: dict[str, str] = Field(
        {field: field for field in ANSWER_FIELDS}, description="Fields of the answer file and its column names."
    )
    words: dict[str, str] = Field({}, description="The channel's words for what was found and done, by ours.")
    answer_encoding: Literal["utf-8", "gbk"] = "utf-8"

    @model_validator(mode="after")
    def _described(self) -> ComplaintShape:
        if bool(self.columns) == bool(self.lines):
            raise ValueError("either columns or lines expected")
        if unknown := set(self.columns) - {*COMPLAINT_FIELDS, TEXT}:
            raise ValueError(f"{sorted(unknown)[0]}: columns of {', '.join((*COMPLAINT_FIELDS, TEXT))} expected")
        for description in self.lines:
            _check_described(description, {*COMPLAINT_FIELDS, TEXT, ""})
        for description in self.texts:
            _check_described(description, {"port", "content", ""})
        if not self.answer or set(self.answer) - set(ANSWER_FIELDS):
            raise ValueError(f"answer: columns of {', '.join(ANSWER_FIELDS)} expected")
        return self


def _check_described(description: str, known: set[str]) -> None:
    """Raises ValueError unless known parts stand in braces, each once, and one sign or more between two of them."""
    parts = _PLACE.findall(description)
    named = [part for part in parts if part]
    between = _PLACE.split(description)[2:-1:2]
    if not named or set(parts) - known or len(set(named)) < len(named) or not all(between) or len(description) > 200:
        raise ValueError(f"{description[:40]}: parts such as {{port}}*{{content}} expected")


_CHINESE = {
    "matched": "已核实",
    "doubtful": "存疑",
    "unmatched": "未查到相关短信",
    "blocked": "已屏蔽该号码的商业短信",
    "suspended": "端口已暂停",
    "terminated": "端口已关停",
    "none": "已记录",
}

# Shapes as the channels publish or hand them over; an operator replaces those that differ, by name.
# Working days for an answer: 15 by the draft of 2020 of the ministry's rules for short message services (12321); the
# others are an operator's own promise.
COMPLAINT_SHAPES: dict[str, ComplaintShape] = {
    "12321": ComplaintShape(
        columns={
            "reference": "举报编号",
            "recipient": "举报人号码",
            "port": "被举报号码",
            "complained_at": "举报时间",
            "content": "举报内容",
        },
        time_format="%Y-%m-%d %H:%M:%S",
        answer={
            "reference": "举报编号",
            "port": "被举报号码",
            "found": "核查结果",
            "done": "处理措施",
            "answered_at": "反馈时间",
        },
        words=_CHINESE,
        answer_encoding="gbk",
    ),
    "hotline": ComplaintShape(
        columns={
            "reference": "工单编号",
            "recipient": "投诉号码",
            "port": "被投诉号码",
            "complained_at": "投诉时间",
            "content": "投诉内容",
        },
        time_format="%Y/%m/%d %H:%M",
        answer_days=5,
        answer={
            "reference": "工单编号",
            "recipient": "投诉号码",
            "found": "核查结果",
            "done": "处理措施",
            "answered_at": "答复时间",
        },
        words=_CHINESE,
    ),
    # The archive of subscribers' messages to a complaint code, 10086999 for example.
    "mo": ComplaintShape(
        lines=("{recipient}|{}|{complained_at}|{text}", "{recipient}#{}#{complained_at}#{text}"),
        time_format="%Y%m%d%H%M%S",
        answer_days=5,
    ),
    # Messages that subscribers forwarded to 7726, with the sender they named.
    "7726": ComplaintShape(
        columns={
            "reference": "id",
            "recipient": "reporter",
            "port": "sender",
            "complained_at": "time",
            "content": "message",
        },
        answer_days=5,
    ),
}
