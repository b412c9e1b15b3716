"""Sample traffic: a realistic day of messages in order of time, each with its truth.

It is everyday traffic plus every episode once in each stretch of some thousand samples. The samples depend only on the
arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from pipeline.sample import episodes, everyday
from pipeline.sample.drafts import Draft, Stage, timed
from pipeline.sample.episodes import EPISODES
from pipeline.sample.truth import Sample

STORIES: tuple[str, ...] = (*everyday.STORIES, *(episode.story for episode in EPISODES))


def generate(seed: int, count: int, start: int, seconds: float, *, episode_share: float = 0.25) -> Iterator[Sample]:
    """`count` samples spread over `seconds` from `start` (epoch milliseconds), in order of time.

    `episode_share` (above 0, at most 1) is the share of episodes in the traffic. From about `episodes.SIZE` /
    `episode_share` samples on, every story occurs and every verdict is right for some sample. With fewer than
    `episodes.SIZE` samples there are no episodes. An id is unique for all seeds and starts. Memory holds one stretch,
    however large `count` is.
    """
    if not 0 < episode_share <= 1:
        raise ValueError(f"episode_share {episode_share} is not above 0 and at most 1")
    rng = Random(seed)  # noqa: S311 - repeatable chance is the point
    stretch = round(episodes.SIZE / episode_share)
    pace = seconds * 1000 / max(count, 1)  # milliseconds per sample
    for number, first in enumerate(range(0, count, stretch)):
        size = min(stretch, count - first)
        drafts = _stretch(Stage(rng, number), size, start + first * pace, size * pace)
        for serial, (at, draft) in enumerate(drafts, first):
            yield timed(draft, at, f"{start:x}-{seed:x}-{serial}")


def _stretch(stage: Stage, size: int, start: float, length: float) -> list[tuple[int, Draft]]:
    """`size` drafts with times within `length` milliseconds from `start` (epoch ms), in order of time."""
    rng = stage.rng
    told = EPISODES if size >= episodes.SIZE else ()
    drafts = [
        (int(start + rng.random() * length), draft)
        for draft in everyday.everyday(stage, size - (episodes.SIZE if told else 0))
    ]
    for episode in told:
        span = min(episode.span, length)
        begin, step = start + rng.random() * (length - span), span / episode.count
        drafts += [
            (int(begin + (n + rng.random()) * step), draft)
            for n, draft in enumerate(episode.make(episode.count, stage))
        ]
    drafts.sort(key=lambda timed_draft: timed_draft[0])  # a stable sort keeps the order within an episode
    return drafts
