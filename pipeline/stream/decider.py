"""Decides polled records: decodes, drops repeats, screens, routes, and sets failures aside as dead letters.

It does not talk to a broker: its input is the records of one poll and the states of their partitions, its output a
`Batch`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from pipeline import metrics, topics
from pipeline.actions.consequences import consequences
from pipeline.actions.routes import load_routes
from pipeline.decision.configuration import Config
from pipeline.decision.screening import Failure, Screened, screen
from pipeline.durations import MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.events import Alert, Record, Submission, decoder
from pipeline.kafka.dead_letter_limit import DeadLetterLimit
from pipeline.kafka.polled import Polled
from pipeline.kafka.streams import Stream
from pipeline.lake.privacy import Privacy
from pipeline.settings import Settings
from pipeline.stream.batch import Batch, Output, dead_letter, output
from pipeline.stream.decided import Admitted
from pipeline.stream.increments import increments
from pipeline.stream.known import Known
from pipeline.stream.state import BatchCounters, PartitionState

ALERTS_REMEMBERED = 10_000
BULK = 1  # the lane number of bulk submissions


class _Source(NamedTuple):
    """An event to be decided, and its origin; `admitted` is None for a record."""

    event: Submission | Record
    polled: Polled
    state: PartitionState
    admitted: Admitted | None


class Decider:
    """Decides the polls of one stream, one after the other."""

    def __init__(self, stream: Stream, settings: Settings, clock: Callable[[], float]) -> None:
        """`clock` gives epoch seconds."""
        self._stream = stream
        self._clock = clock
        self._late_ms = settings.late_minutes * MINUTE_MS
        self._partitions = settings.partitions
        self._decode: Callable[[bytes], Any] = decoder(stream.event)
        self._routes = load_routes(settings)
        self._pseudonym = Privacy(settings.privacy_secret).number
        self._release_secret = settings.release_secret
        self._limit = DeadLetterLimit(settings.dead_letter_count, settings.dead_letter_ratio)
        self._alerted: dict[str, None] = {}  # ids of written alerts, the oldest first

    def decide(
        self,
        polled: Sequence[Polled],
        states: Mapping[int, PartitionState],
        config: Config,
        known: Known,
    ) -> Batch:
        """Decide one poll, with what is known from other stages.

        An event that fails becomes a dead letter; the other events are decided.

        Raises TooManyDeadLettersError when so many events fail that the cause cannot be a single event.
        """
        batch = Batch(now=int(self._clock() * 1000))
        sources = self._admit(polled, states, batch)
        counters = BatchCounters([(s.state, s.polled.lane, s.polled.offset) for s in sources], batch.now, known.values)
        events = [source.event for source in sources]
        outcomes = screen(events, counters, config, batch.now, self._late_ms, known.campaigns)
        for source, outcome in zip(sources, outcomes, strict=True):
            self._carry_out(source, outcome, batch)
        self._set_failures_aside(polled, batch)
        batch.partitions = {source.polled.partition for source in sources}
        batch.oldest = min([batch.now, *filter(None, map(_taken_in, events))])
        batch.bulk_size = _bulk_size(sources)
        batch.outputs += increments(counters.increments, batch, config.epoch, self._partitions)
        metrics.REPLAYED.labels(self._stream.name).inc(counters.replayed)
        return batch

    def committed(self, batch: Batch) -> None:
        """Count the batch, which has been committed."""
        batch.metrics.publish(self._stream.name, self._clock())
        self._limit.note(batch.failed, batch.fresh)

    def rolled_back(self) -> None:
        """Forget the last batch's alerts: they were not written."""
        self._alerted.clear()

    def _admit(self, polled: Sequence[Polled], states: Mapping[int, PartitionState], batch: Batch) -> list[_Source]:
        """The events to be decided. Undecodable records are failures; submissions already decided are dropped."""
        sources = []
        for message in polled:
            try:
                event = self._decode(message.value or b"")
            except msgspec.DecodeError as error:
                batch.failures.append((message, f"not a {self._stream.event.__name__}: {error}"))
                continue
            state, admitted = states[message.partition], None
            if isinstance(event, Submission):
                admitted = state.decided.admit(event, message.lane, message.offset)
                if admitted is None:
                    metrics.ROUNDS_DROPPED.inc()
                    continue
            sources.append(_Source(event, message, state, admitted))
        return sources

    def _carry_out(self, source: _Source, outcome: Screened | Failure, batch: Batch) -> None:
        """Add one decision and its consequences, or its failure, to the batch."""
        if isinstance(outcome, Failure):
            batch.failures.append((source.polled, outcome.cause))
            return
        try:
            batch.outputs += self._routed(source, outcome)
        except AntispamError as error:
            batch.failures.append((source.polled, str(error)))
            return
        if source.admitted is not None:
            source.state.decided.note(source.admitted, batch.now)
        batch.metrics.add(source.event, outcome.decision, self._late_ms)

    def _routed(self, source: _Source, outcome: Screened) -> list[Output]:
        """The decision and its consequences, all for the partition of their source.

        Raises AntispamError when a consequence cannot be routed or does not fit its topic. Then nothing is written.
        """
        decision, partition = outcome.decision, source.polled.partition
        outputs = [output(topics.DECISIONS.name, decision.id, decision, partition)]
        caused = consequences(source.event, outcome, self._routes, self._pseudonym, self._release_secret)
        for topic, key, record in caused:
            if not isinstance(record, Alert):
                outputs.append(output(topic, key, record, partition))
            elif self._is_new(record):
                outputs.append(output(topic, key, record, 0))
        return outputs

    def _is_new(self, alert: Alert) -> bool:
        """Whether this alert has not been written recently; it counts as written from now on."""
        if alert.id in self._alerted:
            return False
        self._alerted[alert.id] = None
        if len(self._alerted) > ALERTS_REMEMBERED:
            del self._alerted[next(iter(self._alerted))]
        metrics.ALERTS.labels(alert.level.value, alert.rule).inc()
        return True

    def _set_failures_aside(self, polled: Sequence[Polled], batch: Batch) -> None:
        """Make the failures dead letters. Raises TooManyDeadLettersError; then none is set aside."""
        # If a former dead letter fails again, this is no new information for the limit.
        batch.fresh = sum(message.attempts == 0 for message in polled)
        causes = [cause for message, cause in batch.failures if message.attempts == 0]
        batch.failed = len(causes)
        self._limit.check(self._stream.name, batch.failed, batch.fresh, causes[0] if causes else "")
        batch.outputs += [dead_letter(message, cause, batch.now) for message, cause in batch.failures]


def _taken_in(event: Submission | Record) -> int | None:
    """When a counted event was taken in, by our clock (ms).

    None for a later round, which is not counted, and for a record without this time.
    """
    if isinstance(event, Submission):
        return event.accepted_at if event.round == 0 else None
    return event.ingested_at or None


def _bulk_size(sources: Sequence[_Source]) -> float | None:
    sizes = [len(s.event.recipients) for s in sources if s.polled.lane == BULK and isinstance(s.event, Submission)]
    return sum(sizes) / len(sizes) if sizes else None
