"""One durable Apache Kafka node on this machine, for acceptance, fault tests and small deployments.

It has real transactions, and its data survives a crash of the process, without a container engine. Maven downloads
the jars once. They run on a JDK (17 or later) in KRaft mode, broker and controller in one process that listens on
127.0.0.1 only. There is one copy of the data: a lost disk or a power cut loses it. For a cluster with replicas, set
`ANTISPAM_KAFKA` instead.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pipeline.errors import AntispamError, UnavailableError
from pipeline.run.brokers.kafka_node_security import NodeSecurity, sasl
from pipeline.run.child import LOOPBACK, Child, free_port
from pipeline.settings import Settings

_NAME = "the Kafka node"
_PACKAGE_DATA = Path(__file__).parent / "kafka"
POM = _PACKAGE_DATA / "pom.xml"  # the only place that pins Kafka's version
_JAVA_AT_LEAST = 17
_SILENCE = 300.0  # longest time without any output of Maven
_READY_TIMEOUT = 120.0  # seconds; 3 on an idle machine, more when much must be recovered
_GRACE = 30.0  # seconds to flush and close the log; measured under 1
# Maven's line for a downloaded file, with its size and speed.
_CAME = re.compile(r"Downloaded .*/(\S+\.jar)(?: \(([^)]*)\))?")
_HEAP = "-Xms256m -Xmx1g"

# One node cannot replicate, so the internal topics must not ask for it. A pipeline has few groups and transactional
# ids: 8 partitions instead of 50 save seconds at the first start. Rebalances start at once. A dead worker's
# transaction blocks every reader of its partitions; it is aborted within 2 s of its timeout instead of 10. After a
# crash the node is back when its controller has given up the old session: 5 s instead of 12.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=CLIENT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=CLIENT://{host}:{port}
listener.security.protocol.map=CLIENT:{protocol},CONTROLLER:{protocol}
controller.listener.names=CONTROLLER
inter.broker.listener.name=CLIENT
log.dirs={log_dir}
auto.create.topics.enable=false
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=2000
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=6000
"""


def install(folder: Path, pom: Path = POM, tell: Callable[[str], None] = lambda _: None) -> Path:
    """Fetch the jars pinned by `pom` into `folder` with Maven, unless they are there; returns the jars' folder.

    `tell` is called with a line for each downloaded file.

    The jars' folder is named by the hash of the pom, and appears only when complete. So an interrupted or concurrent
    install does no harm. Raises AntispamError without Java or Maven, and with the end of Maven's output when Maven
    fails.
    """
    jars = folder / f"jars-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if jars.is_dir():
        return jars
    missing = missing_tools()
    if missing:
        raise AntispamError(f"{_NAME} cannot be installed: {missing}")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="jars-unfinished-", dir=folder) as unfinished:
        # --strict-checksums: a jar that differs from its published checksum fails the install.
        command = [
            "mvn",
            "--batch-mode",
            "--strict-checksums",
            "--file",
            str(pom),
            "dependency:copy-dependencies",
            f"-DoutputDirectory={Path(unfinished).resolve()}/jars",
            *_repository(folder),
        ]
        _fetch(command, pom, tell)
        try:
            Path(unfinished, "jars").rename(jars)
        except OSError:
            if not jars.is_dir():  # otherwise another process finished first
                raise
    return jars


def _fetch(command: list[str], pom: Path, tell: Callable[[str], None]) -> None:
    """Run Maven and report each file. Raises AntispamError when it fails, or prints nothing for _SILENCE seconds."""
    said = b""
    unfinished = b""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as maven:
        assert maven.stdout is not None  # noqa: S101 - PIPE was passed above
        try:
            while select.select([maven.stdout], [], [], _SILENCE)[0]:
                block = os.read(maven.stdout.fileno(), 65_536)
                if not block:
                    break
                said = (said + block)[-2000:]
                *lines, unfinished = (unfinished + block).split(b"\n")
                for line in lines:
                    came = _CAME.search(line.decode(errors="replace"))
                    if came:
                        tell(f"  {came[1]}  {came[2] or ''}")
            else:
                raise UnavailableError(f"Maven printed nothing for {_SILENCE:g} s:\n{said.decode(errors='replace')}")
        except BaseException:  # Ctrl-C, SIGTERM: Maven would continue without us
            maven.kill()
            raise
    if maven.returncode != 0:
        raise AntispamError(f"Maven could not fetch the jars of {pom}:\n{said.decode(errors='replace')}")


def _repository(folder: Path) -> list[str]:
    """Maven's repository: its own folder in HOME, or a folder of ours when HOME is not writable."""
    own = Path.home() / ".m2"
    if os.access(own if own.exists() else own.parent, os.W_OK):
        return []
    return [f"-Dmaven.repo.local={(folder / 'maven').resolve()}"]


def missing_tools() -> str | None:
    """A sentence about the missing programs for installing and running the node; None if nothing is missing."""
    if shutil.which("mvn") is None:
        return "Maven is not installed (Debian, Ubuntu: apt install maven)"
    try:
        _java()
    except AntispamError as error:
        return str(error)
    return None


class KafkaNode:
    """`with KafkaNode(folder, jars) as node: ... node.bootstrap`: ready inside the block; its data stays afterwards.

    `folder` holds the node's data (`log/`), `server.properties`, `server.log` and `console.log`. `jars` is the result
    of `install`. `port` 0 takes any free port of 127.0.0.1, the only address it listens on, and keeps it over
    restarts of this object. The environment variable KAFKA_HEAP_OPTS replaces the heap sizes (1 GiB at most). Without
    `security`, every client that reaches the node may do everything. Raises AntispamError without Java 17, and with
    the end of its logs when the node does not start (a taken port, a folder in use).
    """

    def __init__(self, folder: Path, jars: Path, port: int = 0, security: NodeSecurity | None = None) -> None:
        self.folder = folder.resolve()
        self._security = security
        self._jars = jars.resolve()
        self._port = port or free_port()
        self._child: Child | None = None
        self._lock: IO[str] | None = None
        self.cluster_id = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def returncode(self) -> int | None:
        """None while it runs and before the first start; afterwards its exit code or minus the signal number."""
        return None if self._child is None else self._child.returncode

    def alive(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.returncode is None

    def wait(self, timeout: float) -> int | None:
        """Wait up to `timeout` seconds for its end. Returns the exit code, or None if it still runs."""
        return None if self._child is None else self._child.wait(timeout)

    def start(self) -> None:
        """Start it on the data in the folder; returns when it accepts requests."""
        log_dir = self.folder / "log"
        log_dir.mkdir(parents=True, exist_ok=True)
        if not self.alive():
            self._release()  # the last run may have crashed
        self._lock = _locked(self.folder / "lock")
        try:
            self._child = self._started(log_dir)
        except BaseException:
            self._release()
            raise

    def _started(self, log_dir: Path) -> Child:
        properties = self.folder / "server.properties"
        controller = free_port()
        security = self._security
        text = PROPERTIES.format(
            host=LOOPBACK,
            port=self._port,
            controller_port=controller,
            log_dir=log_dir,
            protocol=security.protocol if security else "PLAINTEXT",
        )
        properties.touch(mode=0o600)
        properties.chmod(0o600)  # an earlier version may have created it with another mode
        properties.write_text(text + (security.properties if security else ""))
        self.cluster_id = _cluster_id(log_dir) or self._format(properties, log_dir)
        child = Child(
            _NAME,
            self._java_command("kafka.Kafka", str(properties)),
            self.folder / "console.log",
            env=os.environ,
            on_parent_death=signal.SIGTERM,
            logs=[self.folder / "server.log"],
        )
        try:
            child.wait_ready(self._port, self.cluster_id, _READY_TIMEOUT, security.client if security else None)
        except BaseException:
            child.kill()
            raise
        return child

    def stop(self) -> None:
        """Stop it cleanly: acknowledged records are on the disk, and the next start is quick."""
        if self._child is not None:
            self._child.stop(_GRACE)
        self._release()

    def kill(self) -> None:
        """Kill it with SIGKILL, as in a crash; `start` runs it again with its data."""
        if self._child is not None:
            self._child.kill()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def _java_command(self, main: str, *arguments: str) -> list[str]:
        return [
            _java(),
            *shlex.split(os.environ.get("KAFKA_HEAP_OPTS", _HEAP)),
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.awt.headless=true",
            "-XX:-UsePerfData",  # prevents a file in /tmp
            f"-Djava.io.tmpdir={self._scratch()}",
            f"-Dlog4j2.configurationFile={_PACKAGE_DATA / 'log4j2.xml'}",
            f"-Dantispam.log={self.folder / 'server.log'}",
            "-cp",
            f"{self._jars}/*",
            main,
            *arguments,
        ]

    def _scratch(self) -> Path:
        """The folder into which the compression libraries unpack themselves."""
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        return scratch

    def _format(self, properties: Path, log_dir: Path) -> str:
        """Format an empty folder once. Returns the id of the new cluster, which the folder keeps for good."""
        fresh = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = self._java_command(
            "kafka.tools.StorageTool",
            "format",
            "--ignore-formatted",
            f"--cluster-id={fresh}",
            f"--config={properties}",
        )
        try:
            run = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_READY_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise AntispamError(f"{log_dir} was not formatted within {_READY_TIMEOUT:g} s") from error
        formatted = _cluster_id(log_dir)
        if run.returncode != 0 or formatted is None:
            raise AntispamError(f"{log_dir} cannot be formatted:\n{(run.stdout + run.stderr)[-2000:]}")
        return formatted


def serve(settings: Settings, port: int) -> None:
    """Run the node in the foreground until Ctrl-C or SIGTERM, then stop it cleanly.

    The node is secured if the clients' settings are; their user is then its superuser (kafka_node_security.py). Jars
    and data are in `<data_dir>/kafka`. Raises the errors of `install` and `KafkaNode`, and AntispamError when the
    node ends unexpectedly.
    """
    security = None if settings.kafka_security_protocol == "PLAINTEXT" else sasl(settings)
    folder = settings.data_dir / "kafka"
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service manager sends SIGTERM; treat it as Ctrl-C
    try:
        print("Apache Kafka: fetching the jars if they are not there (45 MB, once) ...", flush=True)
        jars = install(folder, tell=partial(print, flush=True))
        print("Apache Kafka: starting ...", flush=True)
        with KafkaNode(folder / "node", jars, port, security) as node:
            print(f"Apache Kafka on {node.bootstrap}, data in {folder / 'node'}; Ctrl-C ends it", flush=True)
            while (code := node.wait(timeout=1.0)) is None:
                pass
        raise AntispamError(f"{_NAME} ended unexpectedly (exit code {code}); see {folder / 'node' / 'server.log'}")
    except KeyboardInterrupt:
        print("Apache Kafka ended", flush=True)


def _java() -> str:
    """The Java program, version 17 or later: from JAVA_HOME, else from the path. Raises AntispamError."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    if java is None:
        raise AntispamError("Java 17 or later is not installed (Debian, Ubuntu: apt install openjdk-17-jre-headless)")
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, errors="replace", timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AntispamError(f"Java cannot be run: {error}") from error
    version = re.search(r'version "(\d+)', said.stderr + said.stdout)
    if version is None or int(version[1]) < _JAVA_AT_LEAST:  # Java 8 reports its version as 1.8
        raise AntispamError(f"{java} is not Java 17 or later: {said.stderr.strip()[:200]}")
    return java


def _locked(path: Path) -> IO[str]:
    """Lock the folder until this is closed. Kafka itself notices a second node late, and only in its logs."""
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise AntispamError(f"{path.parent} is in use by another Kafka node") from error
    return lock


def _cluster_id(log_dir: Path) -> str | None:
    """The cluster id that Kafka wrote when the folder was formatted; None if the folder is not formatted."""
    noted = log_dir / "meta.properties"
    if not noted.is_file():
        return None
    found = re.search(r"^cluster\.id=(\S+)$", noted.read_text(), re.MULTILINE)
    return found[1] if found else None
