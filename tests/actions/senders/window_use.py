"""How much of window / round trip one link carries. Not part of the suite.

`python -m tests.actions.senders.window_use [folder of the database]`. The wire to a simulated carrier adds 20 ms to
each round trip; the sender stores each part in SQLite as always.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from tests.harness.migrated import migrated_sqlite
from tests.harness.sender_harness import SECRET, carrier, numbers, outbound, sending
from tests.harness.servers.wire import Wire

WINDOW, ROUND_TRIP, SECONDS = 16, 0.02, 10.0


async def measured(folder: Path) -> float:
    """Parts a second over one link, after a second to begin."""
    db = migrated_sqlite(folder / "operational.db")
    try:
        async with (
            carrier() as simulator,
            Wire(simulator.port, ROUND_TRIP / 2) as wire,
            sending(db, wire, window=WINDOW) as s,
        ):
            for start in range(0, 40_000, 1000):
                s.add(outbound(f"s-{start}", numbers(1000, start)))
            await asyncio.sleep(1)
            began, first = monotonic(), simulator.counts["submits"]
            await asyncio.sleep(SECONDS)
            return (simulator.counts["submits"] - first) / (monotonic() - began)
    finally:
        db.close()


def main() -> None:
    """Print parts/s, and their share of window / round trip."""
    os.environ["ANTISPAM_CHANNEL_DEFAULT_SECRET"] = SECRET.decode()
    with TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        rate = asyncio.run(measured(Path(folder)))
    bound = WINDOW / ROUND_TRIP
    print(f"{rate:.0f} parts/s of {bound:.0f}, {rate / bound:.0%}, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
