"""Another file than the policy, under test: the configuration is that of each decision's time, but for this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from pipeline.decision.configuration import Config
from pipeline.errors import AntispamError
from pipeline.rules.clock.calendar import parse_calendar
from pipeline.rules.lists import Lists
from pipeline.rules.policies.formats import FORMATS
from pipeline.rules.policies.lifecycle import LivingKind
from pipeline.rules.policies.port_templates import PortTemplates
from pipeline.rules.ports import Port, Ports
from pipeline.rules.speaker.names import parse_names
from pipeline.rules.words.dictionary import Dictionary


class Change(NamedTuple):
    """The text of a dictionary, a calendar, brands, a list file or the templates of a port; `name` as in `formats`."""

    kind: LivingKind
    name: str
    text: str


class ChangeUnderTest:
    """Puts a change into configurations. Raises AntispamError that points at the first fault of its text."""

    def __init__(self, change: Change) -> None:
        self._kind, self._name, text = change
        if change.kind is LivingKind.POLICY:
            raise AntispamError("a policy is tested with --policy")
        told = FORMATS[change.kind].parse(text, self._name)
        if change.kind in _WHOLE:
            self._part: Any = _WHOLE[change.kind](text)
        else:
            self._part = told.entries if isinstance(told, PortTemplates) else told
        self._last: tuple[object, Any] = (None, None)  # neighbouring epochs share their lists and ports

    def on(self, live: Config) -> Config:
        """This configuration with the change."""
        if self._kind is LivingKind.LIST:
            return replace(live, lists=self._kept(live.lists, lambda lists: lists.with_numbers(self._name, self._part)))
        if self._kind is LivingKind.TEMPLATES:
            return replace(live, ports=self._kept(live.ports, self._with_templates))
        return replace(live, **{self._kind.value: self._part})

    def _kept(self, before: Any, changed: Callable[[Any], Lists | Ports | None]) -> Any:
        if self._last[0] is not before or before is None:
            self._last = before, changed(before)
        return self._last[1]

    def _with_templates(self, ports: Ports | None) -> Ports | None:
        if ports is None or self._name not in ports.by_code:
            return ports
        entry = Port(msgspec.structs.replace(ports.by_code[self._name].entry, templates=self._part))
        return Ports([*(port for code, port in ports.by_code.items() if code != self._name), entry])


_WHOLE: Mapping[LivingKind, Callable[[str], Any]] = {
    LivingKind.DICTIONARY: Dictionary.parse,
    LivingKind.CALENDAR: parse_calendar,
    LivingKind.BRANDS: parse_names,
}
