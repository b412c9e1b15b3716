"""The lake: every topic in Delta tables, and SQL over them.

Analysts begin with `connect()`; the sink fills what they see (`pipeline.lake.sink`).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.lake.views import connect, refresh

__all__ = ["connect", "refresh"]


def __getattr__(name: str) -> Any:
    """Import `connect` and `refresh` on first use: a worker only masks numbers and needs no DuckDB."""
    if name not in __all__:
        raise AttributeError(name)
    from pipeline.lake import views

    return getattr(views, name)
