"""The changes that a batch of decisions makes to the metrics of its process."""

from __future__ import annotations

from pipeline import metrics
from pipeline.events import Decision, Priority, Record, Submission, Verdict


class BatchMetrics:
    """The changes of one batch; published only after its commit."""

    def __init__(self) -> None:
        self.fresh = 0  # records that had not been dead letters before
        self.failed = 0  # number of fresh records that become dead letters
        self._verdicts: dict[Verdict, list[int]] = {}  # decisions and messages
        self._rules: dict[str, int] = {}
        self._accepted: dict[Priority, list[int]] = {}
        self._degraded = 0
        self._late = 0

    def add(self, event: Submission | Record, decision: Decision, late_ms: int) -> None:
        """Count one decision. A record was late if it was taken in more than `late_ms` after its event time."""
        counted = self._verdicts.get(decision.verdict)
        if counted is None:
            counted = self._verdicts[decision.verdict] = [0, 0]
        counted[0] += 1
        counted[1] += decision.messages
        for reason in decision.reasons:
            self._rules[reason.rule] = self._rules.get(reason.rule, 0) + 1
        self._degraded += decision.degraded
        if isinstance(event, Submission):
            accepted = self._accepted.get(event.priority)
            if accepted is None:
                accepted = self._accepted[event.priority] = []
            accepted.append(event.accepted_at)
        else:
            self._late += event.ingested_at - event.submitted_at > late_ms

    def publish(self, stream: str, now: float) -> None:
        """Add them to the process's metrics; `now` in seconds, by our clock."""
        for verdict, (decisions, messages) in self._verdicts.items():
            metrics.DECISIONS.labels(stream, verdict.value).inc(decisions)
            metrics.MESSAGES.labels(stream, verdict.value).inc(messages)
        for rule, hits in self._rules.items():
            metrics.RULE_HITS.labels(stream, rule).inc(hits)
        if self._degraded:
            metrics.DEGRADED.labels(stream).inc(self._degraded)
        if self._late:
            metrics.LATE_RECORDS.inc(self._late)
        for lane, accepted in self._accepted.items():
            observe = metrics.DECISION_SECONDS.labels(lane.value).observe
            for at in accepted:
                observe(max(0.0, now - at / 1000))
