"""What each start of Apache Kafka makes anew, made once on each machine: the classes it loads, and an empty disk.

Without them Java reads, checks and links thousands of classes, once to format a node's folder and once to run it: 6.5 s
of one core instead of 2.5.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pipeline.run.brokers.kafka_node import KafkaNode

FORMATTED = ("meta.properties", "bootstrap.checkpoint")  # what formatting leaves in a node's log folder


def kafka_archive(jars: Path) -> Path:
    """Return the archive of classes for these jars and this version of Java. It lies beside the jars.

    A Java whose classes differ from the archive's starts without it.
    """
    version = subprocess.run(["java", "-version"], capture_output=True, check=True, timeout=60).stderr
    archive = jars.with_name(f"{jars.name}-java-{hashlib.sha256(version).hexdigest()[:12]}.jsa")
    with jars.with_name("archive.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists() or not _formatted(jars).exists():
            with TemporaryDirectory(dir=jars.parent) as folder, pytest.MonkeyPatch.context() as patch:
                unfinished = Path(folder, "classes.jsa")
                # Formatting the folder writes an archive too; Kafka, which ends last, replaces it.
                patch.setenv("KAFKA_HEAP_OPTS", f"-Xmx1g -XX:ArchiveClassesAtExit={unfinished}")
                with KafkaNode(Path(folder), jars):
                    pass
                _formatted(jars).mkdir(exist_ok=True)
                for name in FORMATTED:
                    shutil.copyfile(Path(folder, "log", name), _formatted(jars) / name)
                unfinished.rename(archive)
    return archive


def formatted_node(folder: Path, jars: Path) -> KafkaNode:
    """A node, not yet started, whose empty disk is a copy. All such nodes have one cluster id."""
    shutil.copytree(_formatted(jars), folder / "log")
    return KafkaNode(folder, jars)


def _formatted(jars: Path) -> Path:
    return jars.with_name(f"{jars.name}-formatted")
