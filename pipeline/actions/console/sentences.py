"""The sentences of reasons and alerts, in the language of their reader.

The template of a policy's rule is read from the version of the policy that decided. Without it the stored sentence is
shown: it is in the default language (rules/messages.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import select

from pipeline.errors import AntispamError
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.messages import BUILT_IN, DEFAULT, Templates, filled, slots
from pipeline.rules.policies.policy import parse_policy
from pipeline.store import schema
from pipeline.store.database import Database

_BUILT_IN = frozenset(BuiltInRule)
KEPT = 16  # versions of the policy whose templates are kept in memory


class Sentences:
    """The sentences for one reader and one page; asks the database once for each version of the policy."""

    def __init__(self, db: Database, language: str) -> None:
        self._db = db
        self._language = language
        self._by_version: dict[str | None, Mapping[str, Templates]] = {}

    def of(self, rule: str, values: Mapping[str, Any], stored: str, version: str | None = None) -> str:
        """The sentence of a rule with these values, or the stored one if its template is not known or lacks a value.

        `version` is that of the policy; None: the policy in force.
        """
        templates = self._templates(rule, version)
        template = templates.get(self._language)
        if template is None or not set(slots(template)) <= values.keys():
            return stored
        if version is None and filled(templates[DEFAULT], values) != stored:
            return stored  # the rule had another sentence then
        return filled(template, values)

    def of_reason(self, reason: Mapping[str, Any], version: str | None) -> str:
        """The sentence of a reason in the lake, whose values are JSON."""
        values = msgspec.json.decode(reason["values"] or "{}")
        return self.of(reason["rule"], values, reason["message"], version)

    def _templates(self, rule: str, version: str | None) -> Templates:
        if version not in self._by_version:
            text = self._text(version)
            self._by_version[version] = _of_policy(text) if text else {}
        found = self._by_version[version].get(rule)
        return found if found is not None else BUILT_IN[BuiltInRule(rule)] if rule in _BUILT_IN else {}

    def _text(self, version: str | None) -> str | None:
        stored, force = schema.configurations, schema.in_force
        statement = select(stored.c.value).where(stored.c.kind == "policy")
        if version is None:
            same = (stored.c.name == force.c.name) & (stored.c.version == force.c.version)
            statement = statement.join(force, (force.c.kind == "policy") & same)
        else:
            statement = statement.where(stored.c.version == version)
        with self._db.read() as connection:
            text: str | None = connection.scalar(statement.limit(1))
            return text


@lru_cache(maxsize=KEPT)
def _of_policy(text: str) -> Mapping[str, Templates]:
    """The templates by rule; none of a policy that this release no longer accepts."""
    try:
        return {rule.id: rule.descriptions for rule in parse_policy(text).rules}
    except AntispamError:
        return {}
