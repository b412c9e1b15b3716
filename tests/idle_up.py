"""CPU and memory of an idle `antispam up`, by process: `python -m tests.idle_up [seconds]`. Not part of the suite."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from time import sleep

import psutil

from tests.harness.processes.up import Up

SETTLE = 30  # seconds after all are ready


def spent(process: psutil.Process) -> float:
    """CPU seconds so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def alive(process: psutil.Process) -> bool:
    """Whether it has not ended: some children only help to start others."""
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


def main(seconds: float) -> None:
    """Print a line a process, and their sum."""
    with tempfile.TemporaryDirectory() as folder:
        up = Up(Path(folder))
        try:
            up.until("ready after", deadline=300)
            sleep(SETTLE)
            up.look()
            processes = [process for process in (psutil.Process(up.process.pid), *up.family) if alive(process)]
            before = {process: spent(process) for process in processes}
            sleep(seconds)
            cores, resident = 0.0, 0.0
            for process in processes:
                used, memory = (spent(process) - before[process]) / seconds, process.memory_info().rss / 1e6
                cores, resident = cores + used, resident + memory
                print(f"{used:6.3f} cores {memory:6.0f} MB  {' '.join(process.cmdline()[-3:])}")
            print(f"{cores:6.3f} cores {resident:6.0f} MB  together")
        finally:
            up.process.terminate()
            up.ended()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
