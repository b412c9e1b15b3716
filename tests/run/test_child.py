"""Ports that servers are given before they start."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

import pytest

from pipeline.run import child
from pipeline.run.child import free_port

OTHER = "from pipeline.run.child import free_port; print(free_port(), flush=True); input()"


class Drawn:
    """Draws these ports, one after the other."""

    def __init__(self, ports: Iterable[int]) -> None:
        self._ports = iter(ports)

    def randrange(self, *_: int) -> int:
        return next(self._ports)


def test_a_port_is_given_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = free_port(), free_port()
    monkeypatch.setattr(child, "_RESERVED", child._RESERVED - {second})
    monkeypatch.setattr(child, "_RANDOM", Drawn([first, second]))
    assert free_port() == second


@pytest.mark.long
def test_a_port_that_another_process_was_given_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = free_port()
    command = [sys.executable, "-c", OTHER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        monkeypatch.setattr(child, "_RESERVED", child._RESERVED - {mine})
        monkeypatch.setattr(child, "_RANDOM", Drawn([port, mine]))
        assert free_port() == mine  # nobody listens on the other one
        other.communicate("\n")
    monkeypatch.setattr(child, "_RANDOM", Drawn([port]))
    assert free_port() == port  # its process has ended
