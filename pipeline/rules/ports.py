"""Ports (端口) and the registry that finds a sender's port.

The port of a sender is the longest registered service code that is a prefix of the sender. So a sender with
extension digits stays under the limits of its port.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date

import msgspec

from pipeline.errors import AntispamError
from pipeline.events import Kind, PortState, Submission, Tier
from pipeline.rules.clock.calendar import is_zone, near_zones
from pipeline.rules.filings import Filing, Filings
from pipeline.rules.prefixes import LongestPrefix
from pipeline.rules.templates import Template
from pipeline.text.contacts import Contact, find_contacts
from pipeline.text.faults.form_faults import form_fault
from pipeline.text.faults.suggestion import suggestion
from pipeline.text.links import Link, find_links
from pipeline.text.normal import normalise_batch
from pipeline.text.numbers import CODE_LENGTHS, service_code
from pipeline.text.signatures import signature_name, signature_names, signed


class TemplateEntry(msgspec.Struct, frozen=True):
    """A registered template: literal text with placeholders (`pipeline.rules.placeholders`)."""

    id: str
    text: str
    kind: Kind = Kind.NOTICE


class PortEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A registered port: one line of `ports.jsonl`, one `port` entry of the config topic.

    `volume_5m` (messages in 5 minutes) overrides the limit of the port's tier. `unsubscribe` are the words that a
    recipient may answer to unsubscribe; empty: the words are not registered. `zone` is the time zone of its recipients
    and reviewers; empty: that of the calendar. `extensions` are the registered beginnings of the digits that may follow
    the code; empty: they are not registered. `probation_until` is the last day of a probation
    (ISO 8601, in the port's zone); empty: none. `carrier_signs`: its contract says that we insert its first signature
    into texts that bear none of its signatures.
    """

    code: str
    name: str = ""
    enterprise: str = ""
    tier: Tier = Tier.ORDINARY
    state: PortState = PortState.OPEN
    kind: Kind = Kind.NOTICE
    signatures: tuple[str, ...] = ()
    channel: str = "default"
    volume_5m: int | None = None
    templates: tuple[TemplateEntry, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    zone: str = ""
    extensions: tuple[str, ...] = ()
    probation_until: str = ""
    filings: tuple[Filing, ...] = ()
    carrier_signs: bool = False


class _Registered(PortEntry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A port as people write it. An unknown field is a mistake; in a stored entry it is of another version."""


class Port:
    """A port ready for screening: its entry and its compiled templates.

    `faults` has an error for each template that cannot be parsed: earlier releases accepted it. No text fits it.
    """

    __slots__ = (
        *("_filings", "_names", "channel", "code", "entry", "faults", "kind", "probation_until", "state", "templates"),
        *("tier", "unsubscribe"),
    )

    def __init__(self, entry: PortEntry) -> None:
        if not (entry.code.isascii() and entry.code.isdigit() and len(entry.code) in CODE_LENGTHS):
            raise AntispamError(f"port code {entry.code!r}: 3 to 21 digits expected")
        if entry.zone and not is_zone(entry.zone):
            known = suggestion(entry.zone, near_zones(entry.zone))
            raise AntispamError(f"port {entry.code}: unknown time zone {entry.zone[:40]!r}; {known}")
        self.probation_until = _day(entry) if entry.probation_until else None
        self.entry = entry
        self.code = entry.code
        self.tier = entry.tier
        self.state = entry.state
        self.kind = entry.kind
        self.channel = entry.channel
        self._names: frozenset[str] | None = None
        self._filings: Filings | None = None
        self.unsubscribe = frozenset(word.upper() for word in entry.unsubscribe)
        templates, faults = [], []
        for template in entry.templates:
            try:
                parsed = Template.parse(template.id, template.text, template.kind)
                if self.inserted:
                    parsed = Template.parse(template.id, self.signed(template.text), template.kind)
                templates.append(parsed)
            except AntispamError as error:
                faults.append(str(error))
        self.templates = tuple(templates)
        self.faults = tuple(faults)

    @property
    def inserted(self) -> tuple[str, ...]:
        """The signatures of which one must stand in every text; the first is inserted. Empty: the port signs itself."""
        return self.entry.signatures if self.entry.carrier_signs else ()

    def signed(self, content: str) -> str:
        """The content as it leaves: with the port's signature, if it is to be inserted."""
        return signed(content, self.inserted)

    def on_probation(self, day: date) -> bool:
        """Whether the port is on probation on this day of its zone."""
        return self.probation_until is not None and day <= self.probation_until

    @property
    def signature_names(self) -> frozenset[str]:
        """The registered signatures as `Signature.name` writes them, made on first use."""
        if self._names is None:
            self._names = frozenset(map(signature_name, self.entry.signatures))
        return self._names

    @property
    def filings(self) -> Filings:
        """The filings of the signatures, made on first use."""
        if self._filings is None:
            self._filings = Filings(self.entry.filings)
        return self._filings

    def fitting(self, content: str, links: Sequence[Link], contacts: Sequence[Contact]) -> Template | None:
        """The first registered template that the content fits. `links` and `contacts` are all those of the content."""
        for template in self.templates:
            if template.fits(content, links, contacts):
                return template
        return None

    def way_out(self, words: Sequence[str]) -> str:
        """The first of these words that the port takes as an answer to unsubscribe, or an empty string.

        A port without registered words takes any word.
        """
        if not words or not self.unsubscribe:
            return words[0] if words else ""
        return next((word for word in words if word in self.unsubscribe), "")

    def takes_extension(self, sender: str) -> bool:
        """Whether a sender with this port's code has no extension, or one that begins as registered."""
        if not self.entry.extensions:
            return True
        extension = sender.removeprefix(service_code(self.code) or self.code)
        return not extension or extension.startswith(self.entry.extensions)

    def kind_of(self, content: str) -> Kind:
        """The kind of a message with this content: the kind of the template that it fits, else the port's."""
        if not self.templates:
            return self.kind
        normals = normalise_batch([content])
        template = self.fitting(content, find_links(normals)[0], find_contacts(normals)[0])
        return template.kind if template else self.kind


def _day(entry: PortEntry) -> date:
    """The last day of the probation. Raises AntispamError for another form than 2026-12-31."""
    try:
        found = date.fromisoformat(entry.probation_until)
    except ValueError:
        found = None
    if found is None or found.isoformat() != entry.probation_until:
        raise AntispamError(
            f"port {entry.code}: probation_until {entry.probation_until[:24]!r}: a day such as 2026-12-31 expected"
        )
    return found


class Ports:
    """The immutable registry: finds a port by the longest prefix of a sender in canonical form (`text/numbers.py`)."""

    def __init__(self, ports: Iterable[Port]) -> None:
        # Older versions accepted codes with the prefix 86. Senders are stored without it, so the key has none.
        self.by_code: Mapping[str, Port] = {service_code(port.code) or port.code: port for port in ports}
        self._by_prefix = LongestPrefix(self.by_code)
        self._owners: dict[str, set[str]] | None = None

    def find(self, sender: str) -> Port | None:
        """The port with the longest code that prefixes the sender, or None."""
        return self._by_prefix.find(sender)

    def signed(self, submission: Submission) -> Submission:
        """The submission with its port's signature in the text, if it is to be inserted. A WAP push stays as it is."""
        port = self.find(submission.port)
        if port is None or not port.inserted or submission.push is not None:
            return submission
        return msgspec.structs.replace(submission, content=port.signed(submission.content))

    def owners(self, name: str) -> Collection[str]:
        """The enterprises that registered a signature of this name (`Signature.name`), or ports without enterprise."""
        if self._owners is None:  # made on first use: few policies ask
            signed = [(port, signature) for port in self.by_code.values() for signature in port.entry.signatures]
            self._owners = {}
            for found, (port, _) in zip(signature_names([signature for _, signature in signed]), signed, strict=True):
                self._owners.setdefault(found, set()).add(port.entry.enterprise or port.code)
        return self._owners.get(name, ())

    def key(self, sender: str) -> str:
        """The partition key of a sender: its port's code, or the sender itself if its port is unknown."""
        port = self.find(sender)
        return sender if port is None else port.code


def read_port(text: str | bytes) -> Port:
    """The port of a stored JSON entry. Raises AntispamError, but not for its templates: see `Port.faults`."""
    try:
        return Port(msgspec.json.decode(text, type=PortEntry))
    except msgspec.ValidationError as error:
        raise AntispamError(f"port entry: {form_fault(error, PortEntry)}") from None
    except msgspec.MsgspecError as error:
        raise AntispamError(f"port entry: {error}") from None


def parse_port(text: str | bytes) -> Port:
    """The port of a JSON entry to be registered. Raises AntispamError naming the fault."""
    port = read_port(text)
    try:
        msgspec.json.decode(text, type=_Registered)
    except msgspec.ValidationError as error:
        raise AntispamError(f"port entry: {form_fault(error, PortEntry)}") from None
    if port.faults:
        raise AntispamError(port.faults[0])
    return port
