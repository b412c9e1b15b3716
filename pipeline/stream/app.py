"""The Faust app: lifecycle and the agents whose work may safely run twice.

The processors are services of this app with their own consumers and transactions (see processor.py). Faust's agents
acknowledge a batch even when its body raises, and its tables cannot be written inside `take`. So no work that must be
counted or delivered exactly once runs in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import faust
import msgspec
import structlog

from pipeline import topics
from pipeline.events import Alert, decoder
from pipeline.kafka import security
from pipeline.kafka.address import bootstrap
from pipeline.kafka.streams import STREAMS
from pipeline.process.ending import end_now, fault
from pipeline.settings import Settings
from pipeline.stream.processor import Processor

_log = structlog.get_logger()
_decode_alert = decoder(Alert)


def create_app(settings: Settings, streams: Sequence[str], clock: Any = None) -> faust.App:
    """An app that runs the processors of `streams`.

    Raises AntispamError when no broker is set.
    """
    brokers = [f"aiokafka://{address}" for address in bootstrap(settings).split(",")]
    app = faust.App(
        "antispam-alerts",
        datadir=settings.data_dir / "faust",  # the default is the working directory, which may be read-only
        broker=brokers,
        **security.faust(settings),
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_create_disabled=True,
        broker_session_timeout=settings.session_timeout,
        broker_heartbeat_interval=settings.session_timeout / 5,
        broker_request_timeout=max(90.0, settings.session_timeout),
        web_enabled=False,  # page.py serves the page, with limits for untrusted clients
        consumer_auto_offset_reset="earliest",
        logging_config=None,
        loghandlers=[],
    )
    extra = {} if clock is None else {"clock": clock}

    def service(name: str) -> type[Processor]:
        class Started(Processor):
            def __init__(self, **kwargs: Any) -> None:
                super().__init__(STREAMS[name], settings, **extra, **kwargs)

        return Started

    for name in streams:
        app.service(service(name))

    alerts = app.topic(topics.ALERTS.name, value_type=bytes, value_serializer="raw", key_type=bytes)

    @app.agent(alerts, name="alerts")
    async def log_alerts(stream: faust.StreamT[bytes]) -> None:
        """Write each alert as a log line for operators; a repeated line does no harm."""
        async for raw in stream:
            await guarded(log_alert, raw)

    return app


async def guarded(work: Any, raw: bytes) -> None:
    """Run an agent's work. An exception ends the process before Faust acknowledges the event.

    Faust acknowledges in a `finally`, so an exception that left the agent's body would lose the event.
    """
    try:
        work(raw)
    except Exception as error:  # noqa: BLE001 - any fault must end the process here
        end_now("agent_crashed", 70, **fault(error))


def log_alert(raw: bytes) -> None:
    """Write one alert as a log line. An undecodable alert is logged and skipped."""
    try:
        alert = _decode_alert(raw)
    except msgspec.DecodeError as error:
        _log.error("alert_undecodable", cause=str(error))
        return
    _log.warning("alert", alert_level=alert.level.value, rule=alert.rule, subject=alert.subject, at=alert.at)
