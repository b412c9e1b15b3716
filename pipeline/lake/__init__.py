"""The lake: every topic in Delta tables, and SQL over them.

Analysts begin with `connect()`; the sink fills what they see (`pipeline.lake.sink`).
"""

from pipeline.lake.views import connect, refresh

__all__ = ["connect", "refresh"]
