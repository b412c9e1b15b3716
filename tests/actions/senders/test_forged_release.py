"""A record on `outbound.*` that nobody released reaches no carrier: it is kept, told of, and costs only itself."""

from __future__ import annotations

from pathlib import Path
from time import time

import msgspec
import pytest
from sqlalchemy import select

from pipeline import topics
from pipeline.actions.proof import proved
from pipeline.durations import DAY_MS
from pipeline.events import Alert, Outbound, Priority, Submission, encode
from pipeline.kafka.clients import reader, writer
from pipeline.kafka.dead_letters import dead_letters, retry
from pipeline.kafka.replay import replay
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.settings import Settings
from pipeline.simulators.carrier import Conduct
from pipeline.store import schema
from tests.harness.processes.workers import start
from tests.harness.servers.carrier import PORT, sender_deployment, simulated, until

EXPRESS = topics.outbound("default", Priority.EXPRESS).name
NO_PROOF = "no proof of its release: forged, altered, of another topic, or signed by another key"
TOO_DEEP = b'{"x": ' + b"[" * 50_000
TOO_OLD = "released longer ago than deliveries are remembered: it may have been sent before"


def release(ident: str, decided_at: int, content: str = "【测试】您好") -> Outbound:
    submission = Submission(id=ident, port=PORT, recipients=("13800000001",), content=content, accepted_at=decided_at)
    return Outbound(submission=submission, recipients=submission.recipients, round=0, decided_at=decided_at)


def alerts(settings: Settings) -> list[Alert]:
    found: list[Alert] = []
    consumer = reader(settings, "test-alerts")
    replay(
        consumer, [(topics.ALERTS.name, 0)], lambda m: found.append(msgspec.json.decode(m.value() or b"", type=Alert))
    )
    consumer.close()
    return found


@pytest.mark.parametrize(
    "kind", ["fresh_embedded", pytest.param("fresh_kafka", marks=[pytest.mark.kafka, pytest.mark.slow])]
)
def test_what_nobody_released_is_not_sent(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap = request.getfixturevalue(kind).bootstrap
    with simulated(Conduct(report_delay=0.05)) as simulator:
        settings, db = sender_deployment(bootstrap, tmp_path, simulator.port, monkeypatch)
        now = int(time() * 1000)
        genuine = proved(settings.release_secret, EXPRESS, PORT, release("genuine", now))
        altered = msgspec.structs.replace(
            genuine, submission=msgspec.structs.replace(genuine.submission, id="altered", content="代开发票")
        )
        forgery = proved(b"a key of the forger's own", EXPRESS, PORT, release("forged", now))
        elsewhere = proved(settings.release_secret, "outbound.cmcc.express", PORT, release("elsewhere", now))
        unproved = release("unproved", now)
        old = proved(settings.release_secret, EXPRESS, PORT, release("old", now - 8 * DAY_MS))
        last = proved(settings.release_secret, EXPRESS, PORT, release("last", now))

        producer = writer(settings)
        for record in (genuine, unproved, forgery, altered, elsewhere, old, genuine, last):
            producer.produce(EXPRESS, encode(record), PORT, 0)
        producer.produce(EXPRESS, encode(release("never", now)), PORT, 1)
        producer.produce(EXPRESS, TOO_DEEP, PORT, 1)
        assert producer.flush(30) == 0
        child = start(settings, "sender", "serve", "sender")
        try:

            def states() -> dict[str, str]:
                with db.read() as connection:
                    return {row.submission: row.state for row in connection.execute(select(schema.deliveries))}

            until(lambda: states() == {"genuine": "delivered", "last": "delivered"})
            until(lambda: len(dead_letters(settings)) == 7)
            letters = dead_letters(settings)
            causes = {
                msgspec.json.decode(letter.value or b"")["submission"]["id"]: letter.cause
                for letter in letters.values()
                if letter.value != TOO_DEEP
            }
            forged = dict.fromkeys(("unproved", "forged", "altered", "elsewhere", "never"), NO_PROOF)
            assert causes == forged | {"old": TOO_OLD}

            # Sent round again by an operator who did not read the cause, it is refused again.
            assert retry(settings, None) == 7
            until(lambda: len(dead_letters(settings)) == 7 and not dead_letters(settings).keys() & letters.keys())
        finally:
            child.stop(20)
            db.close()
        assert simulator.counts["submits"] == 2, "what was sent is dropped when somebody writes it again"
        told = {alert.id: (alert.rule, alert.subject, alert.level) for alert in alerts(settings)}
        assert set(told.values()) == {("release-without-proof", EXPRESS, "critical")}
        assert len(told) <= 2  # one a quarter of an hour, which may end meanwhile


@pytest.mark.parametrize("genuine", [True, False], ids=["key-fits", "key-unknown"])
def test_forging_stops_no_sender_whose_key_has_proved_a_record(
    genuine: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_embedded: EmbeddedBroker
) -> None:
    """Where no record has been proved the sender's own key may be the wrong one: then it stops and says so."""
    with simulated(Conduct()) as simulator:
        settings, db = sender_deployment(fresh_embedded.bootstrap, tmp_path, simulator.port, monkeypatch)
        now = int(time() * 1000)
        producer = writer(settings)
        if genuine:
            producer.produce(
                EXPRESS, encode(proved(settings.release_secret, EXPRESS, PORT, release("s", now))), PORT, 0
            )
        forgeries = 2 * settings.dead_letter_count
        for n in range(forgeries):
            producer.produce(EXPRESS, encode(release(f"forged-{n}", now)) if n % 2 else b"{", PORT, 0)
        assert producer.flush(30) == 0
        child = start(settings, "sender", "serve", "sender")
        try:
            if genuine:
                until(lambda: len(dead_letters(settings)) == forgeries)
                assert child.returncode is None
            else:
                until(lambda: child.returncode is not None)
                assert "no proof of its release" in child.tail() or "not an Outbound" in child.tail()
        finally:
            child.stop(20)
            db.close()
        assert len(dead_letters(settings)) == (forgeries if genuine else 0)
        assert simulator.counts["submits"] == int(genuine)


@pytest.mark.parametrize("shares", [True, False], ids=["same-key", "another-key"])
def test_a_sender_without_the_key_sends_nothing(
    shares: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_embedded: EmbeddedBroker
) -> None:
    """Two machines share no data folder: the key must come from the environment of both."""
    with simulated(Conduct()) as simulator:
        bootstrap = fresh_embedded.bootstrap
        settings, db = sender_deployment(bootstrap, tmp_path, simulator.port, monkeypatch)
        secret = b"of the machine that decides"
        producer = writer(settings)
        released = proved(secret, EXPRESS, PORT, release("s", int(time() * 1000)))
        producer.produce(EXPRESS, encode(released), PORT, 0)
        assert producer.flush(30) == 0
        own = {"ANTISPAM_RELEASE_KEY": secret.decode()} if shares else {}
        child = start(settings, "sender", "serve", "sender", **own)
        try:
            until(lambda: simulator.counts["submits"] == 1 if shares else len(dead_letters(settings)) == 1)
        finally:
            child.stop(20)
            db.close()
        assert simulator.counts["submits"] == int(shares)
