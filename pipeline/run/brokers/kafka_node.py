"""One durable Apache Kafka node on this machine, for acceptance, fault tests and small deployments.

Real transactions, and data that survives a crash of the process, without a container engine: the jars
come from Maven, once, and run on a JDK (17 or later) in KRaft mode, broker and controller in one
process, listening on 127.0.0.1 only. There is one copy: what a disk or a power cut takes is gone.
A cluster with replicas is a matter of `ANTISPAM_KAFKA`, not of this file.
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
POM = _PACKAGE_DATA / "pom.xml"  # the one place that pins Kafka's version
_JAVA_AT_LEAST = 17
_SILENCE = 300.0  # seconds in which Maven says nothing, not even that a file has come
_READY_TIMEOUT = 120.0  # seconds; 3 on an idle machine, more with much to recover
_GRACE = 30.0  # seconds to flush and close the log; under 1 as measured
_CAME = re.compile(r"Downloaded .*/(\S+\.jar)(?: \(([^)]*)\))?")  # a line of Maven's: file, size and speed
_HEAP = "-Xms256m -Xmx1g"

# One node: nothing can be replicated, so the internal topics must not ask for it. A pipeline has few
# groups and transactional ids: 8 partitions instead of 50 save seconds at the first start. Rebalances
# start at once, and a dead worker's transaction, which blocks every reader of its partitions, is
# aborted within 2 s of its timeout instead of 10. After a crash the node is back when its controller
# has given up the old session: 5 s instead of 12.
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
    """Fetch the jars that `pom` pins into `folder` by Maven, unless they are there; the folder they lie in.

    `tell` is given a line for each file that has come.

    The jars' folder is named by the hash of the pom and appears at once when complete, so an
    interrupted or concurrent install does no harm. Errors: AntispamError without Java or Maven, or
    with the end of Maven's output when it fails.
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
            if not jars.is_dir():  # else another process finished first
                raise
    return jars


def _fetch(command: list[str], pom: Path, tell: Callable[[str], None]) -> None:
    """Run Maven, telling of each file. Raises AntispamError when it fails, or is silent for _SILENCE seconds."""
    said = b""
    unfinished = b""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as maven:
        assert maven.stdout is not None  # noqa: S101 - asked for above
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
                raise UnavailableError(f"Maven said nothing for {_SILENCE:g} s:\n{said.decode(errors='replace')}")
        except BaseException:  # Ctrl-C, SIGTERM: it would go on without us
            maven.kill()
            raise
    if maven.returncode != 0:
        raise AntispamError(f"Maven could not fetch the jars of {pom}:\n{said.decode(errors='replace')}")


def _repository(folder: Path) -> list[str]:
    """Where Maven keeps what it fetched: its own folder in HOME, or one of ours where HOME cannot be written."""
    own = Path.home() / ".m2"
    if os.access(own if own.exists() else own.parent, os.W_OK):
        return []
    return [f"-Dmaven.repo.local={(folder / 'maven').resolve()}"]


def missing_tools() -> str | None:
    """What this machine lacks to install and run the node, as a sentence; None if nothing."""
    if shutil.which("mvn") is None:
        return "Maven is not installed (Debian, Ubuntu: apt install maven)"
    try:
        _java()
    except AntispamError as error:
        return str(error)
    return None


class KafkaNode:
    """`with KafkaNode(folder, jars) as node: ... node.bootstrap`: ready inside; its data stays.

    `folder` holds the node's data (`log/`), `server.properties`, `server.log` and `console.log`;
    `jars` is what `install` returned; `port` 0 takes any free port of 127.0.0.1, the only address it
    listens on, and keeps it over restarts of this object. The environment variable KAFKA_HEAP_OPTS
    replaces the heap's sizes (1 GiB at most). Without `security` whoever reaches it may do everything.
    Errors: AntispamError without Java 17, and with the end of its logs when it does not start (a taken
    port, a folder in use).
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
        """None while it runs (and before the first start); else how it ended."""
        return None if self._child is None else self._child.returncode

    def alive(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.returncode is None

    def wait(self, timeout: float) -> int | None:
        """Wait up to `timeout` seconds for its end; the exit code, or None if it still runs."""
        return None if self._child is None else self._child.wait(timeout)

    def start(self) -> None:
        """Start it on what the folder holds and return when it takes requests."""
        log_dir = self.folder / "log"
        log_dir.mkdir(parents=True, exist_ok=True)
        if not self.alive():
            self._release()  # it may have crashed
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
        properties.chmod(0o600)  # it may be of an earlier version
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
        """End it cleanly: what clients were told is stored is on disk, and the next start is quick."""
        if self._child is not None:
            self._child.stop(_GRACE)
        self._release()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would; `start` brings it back with its data."""
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
            "-XX:-UsePerfData",  # else a file in /tmp
            f"-Djava.io.tmpdir={self._scratch()}",
            f"-Dlog4j2.configurationFile={_PACKAGE_DATA / 'log4j2.xml'}",
            f"-Dantispam.log={self.folder / 'server.log'}",
            "-cp",
            f"{self._jars}/*",
            main,
            *arguments,
        ]

    def _scratch(self) -> Path:
        """Where the compression libraries unpack themselves."""
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        return scratch

    def _format(self, properties: Path, log_dir: Path) -> str:
        """Prepare an empty folder once; the id of the new cluster, which stays in it for good."""
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
            raise AntispamError(f"{log_dir} was not prepared in {_READY_TIMEOUT:g} s") from error
        formatted = _cluster_id(log_dir)
        if run.returncode != 0 or formatted is None:
            raise AntispamError(f"{log_dir} cannot be prepared:\n{(run.stdout + run.stderr)[-2000:]}")
        return formatted


def serve(settings: Settings, port: int) -> None:
    """Run the node in the foreground until Ctrl-C or SIGTERM, then end it cleanly.

    Secured if the settings of clients are; their user is its superuser then (kafka_node_security.py). Jars
    and data lie in `<data_dir>/kafka`. Errors: those of `install` and `KafkaNode`, and AntispamError when the
    node ends by itself.
    """
    security = None if settings.kafka_security_protocol == "PLAINTEXT" else sasl(settings)
    folder = settings.data_dir / "kafka"
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service manager's way to say Ctrl-C
    try:
        print("Apache Kafka: fetching the jars if they are not there (45 MB, once) ...", flush=True)
        jars = install(folder, tell=partial(print, flush=True))
        print("Apache Kafka: starting ...", flush=True)
        with KafkaNode(folder / "node", jars, port, security) as node:
            print(f"Apache Kafka on {node.bootstrap}, data in {folder / 'node'}; Ctrl-C ends it", flush=True)
            while (code := node.wait(timeout=1.0)) is None:
                pass
        raise AntispamError(f"{_NAME} ended by itself (exit code {code}); see {folder / 'node' / 'server.log'}")
    except KeyboardInterrupt:
        print("Apache Kafka ended", flush=True)


def _java() -> str:
    """The Java program, at least version 17: from JAVA_HOME, else from the path."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    if java is None:
        raise AntispamError("Java 17 or later is not installed (Debian, Ubuntu: apt install openjdk-17-jre-headless)")
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, errors="replace", timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AntispamError(f"Java cannot be run: {error}") from error
    version = re.search(r'version "(\d+)', said.stderr + said.stdout)
    if version is None or int(version[1]) < _JAVA_AT_LEAST:  # Java 8 calls itself 1.8
        raise AntispamError(f"{java} is not Java 17 or later: {said.stderr.strip()[:200]}")
    return java


def _locked(path: Path) -> IO[str]:
    """Hold the folder for us until this is closed: Kafka notices a second node late, in its logs only."""
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise AntispamError(f"{path.parent} is in use by another Kafka node") from error
    return lock


def _cluster_id(log_dir: Path) -> str | None:
    """The id that Kafka noted when the folder was formatted; None if it was not."""
    noted = log_dir / "meta.properties"
    if not noted.is_file():
        return None
    found = re.search(r"^cluster\.id=(\S+)$", noted.read_text(), re.MULTILINE)
    return found[1] if found else None
