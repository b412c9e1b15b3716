"""A reason or alert in its reader's language, by the version of the policy that decided."""

from __future__ import annotations

from pipeline.actions.console.sentences import Sentences
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.versions import version_of
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import registry

ADMIN = User("admin", Role.ADMINISTRATOR)
POLICY = """
rules:
  - id: volume
    event: submission
    description: {zh: "已发 {messages} 条", en: "%s {messages}"}
    when: messages > 3
    verdict: review
"""


def publish(db: Database, word: str) -> str:
    text = POLICY % word
    registry.publish_configuration(db, ADMIN, "policy", "policy.yaml", text, 1)
    return version_of(text)


def test_the_version_that_decided_words_the_reason(any_db: Database) -> None:
    first, second = publish(any_db, "sent"), publish(any_db, "it sent")
    said = Sentences(any_db, "en")
    assert said.of("volume", {"messages": 4}, "已发 4 条", first) == "sent 4"
    assert said.of("volume", {"messages": 4}, "已发 4 条", second) == "it sent 4"
    assert said.of("volume", {"messages": 4}, "已发 4 条") == "it sent 4"  # the version in force
    assert said.of("volume", {"messages": 4}, "发送 4 条") == "发送 4 条"  # an alert of a version with another sentence
    assert Sentences(any_db, "zh").of("volume", {"messages": 4}, "stored", first) == "已发 4 条"


def test_without_its_template_or_a_value_the_stored_sentence_is_shown(any_db: Database) -> None:
    said = Sentences(any_db, "en")
    assert said.of("volume", {"messages": 4}, "stored", "unknown") == "stored"
    assert said.of("volume", {"messages": 4}, "stored") == "stored"  # no policy at all
    version = publish(any_db, "sent")
    assert said.of("volume", {}, "stored", version) == "stored"  # a record of an earlier release
    assert said.of("of-another-policy", {}, "stored", version) == "stored"


def test_a_built_in_rule_needs_no_policy(any_db: Database) -> None:
    said = Sentences(any_db, "en")
    assert said.of(BuiltInRule.PORT_SUSPENDED, {}, "端口已暂停") == "The port is suspended"
    assert said.of_reason({"rule": "list-black", "values": '{"entry": "fraud"}', "message": "黑名单：fraud"}, None) == (
        "The sender is on the black list: fraud"
    )
