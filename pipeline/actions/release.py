"""A release as records: one a channel, each with the proof that it was decided."""

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
    """(topic, key, record) of each channel that carries some of the recipients; the key is the port's code.

    `channel` is the port's own. Raises AntispamError when it is not one of the deployment's.
    """
    for name, recipients in routes.split(channel, release.recipients).items():
        topic = topics.outbound(name, release.submission.priority).name
        yield topic, port, proved(secret, topic, port, msgspec.structs.replace(release, recipients=recipients))
