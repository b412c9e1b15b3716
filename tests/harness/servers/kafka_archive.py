"""An archive of the classes that Apache Kafka loads: with it, Java starts Kafka in half the processor time.

Without it Java reads, checks and links thousands of classes at each start of a node.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pipeline.run.brokers.kafka_node import KafkaNode


def kafka_archive(jars: Path) -> Path:
    """Return the archive for these jars and this version of Java. It is made once on each machine, beside the jars.

    A Java whose classes differ from the archive's starts without it.
    """
    version = subprocess.run(["java", "-version"], capture_output=True, check=True, timeout=60).stderr
    archive = jars.with_name(f"{jars.name}-java-{hashlib.sha256(version).hexdigest()[:12]}.jsa")
    with jars.with_name("archive.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            with TemporaryDirectory(dir=jars.parent) as folder, pytest.MonkeyPatch.context() as patch:
                unfinished = Path(folder, "classes.jsa")
                # Formatting the folder writes an archive too; Kafka, which ends last, replaces it.
                patch.setenv("KAFKA_HEAP_OPTS", f"-Xmx1g -XX:ArchiveClassesAtExit={unfinished}")
                with KafkaNode(Path(folder), jars):
                    pass
                unfinished.rename(archive)
    return archive
