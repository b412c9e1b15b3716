"""Small trainings for tests: a few renderings of each invented text, read once, and one draw of disguises.

A test module uses the fixture by importing it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from pipeline.models import invented, train


@pytest.fixture(scope="module", autouse=True)
def small_trainings() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "INVENTED_EACH", 2)
        patch.setattr(train, "_DRAWS", 1)
        patch.setattr(invented, "_read", cache(invented._read))
        yield
