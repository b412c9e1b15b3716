"""The outbound records of a release: one record per channel, each with the proof of its decision."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from pipeline import topics
from pipeline.actions.proof import proved
from pipeline.actions.routes import Routes
from pipeline.events import Outbound


def by_channel(
    release: Outbound, port: str, channel: str, routes: Routes, secret: bytes
) -> Iterator[tuple[str, str, Outbound]]:
    """(topic, key, record) for each channel that carries some of the recipients; the key is the port's code.

    `channel` is the port's channel. Raises AntispamError if the deployment does not have it.
    """
    for name, recipients in routes.split(channel, release.recipients).items():
        topic = topics.outbound(name, release.submission.priority).name
        if len(recipients) < len(release.recipients):
            yield topic, port, proved(secret, topic, port, msgspec.structs.replace(release, recipients=recipients))
        else:
            yield topic, port, proved(secret, topic, port, release)
