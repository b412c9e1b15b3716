"""A lake in an object store, on a server that we did not write.

`ANTISPAM_TEST_S3` names its address, for example that of `moto_server -H 127.0.0.1 -p 5999`: http://127.0.0.1:5999.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pyarrow.fs import S3FileSystem

from pipeline.errors import AntispamError, UnavailableError
from pipeline.events import encode
from pipeline.lake import delta
from pipeline.lake.export import export
from pipeline.lake.query import query
from pipeline.lake.tables import DECISIONS, FULL, SHARED
from pipeline.lake.upkeep import compact, expire
from pipeline.lake.views import connect, full_files
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.settings import Settings
from tests.harness.lake.events import decision
from tests.lake.test_sink import count, one_of_each, send, sink_until

SERVER = os.environ.get("ANTISPAM_TEST_S3")
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret", "AWS_REGION": "us-east-1"}
on_server = pytest.mark.skipif(SERVER is None, reason="ANTISPAM_TEST_S3 names no S3 server")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, and the environment that reaches it."""
    assert SERVER
    for name, value in (KEYS | {"AWS_ENDPOINT_URL": SERVER, "AWS_ALLOW_HTTP": "true"}).items():
        monkeypatch.setenv(name, value)
    server = urlsplit(SERVER)
    name = f"lake-{secrets.token_hex(4)}"
    options: dict[str, Any] = {"endpoint_override": server.netloc, "scheme": server.scheme}
    S3FileSystem(allow_bucket_creation=True, **options).create_dir(name)
    return name


@pytest.fixture
def settings(tmp_path: Path, fresh_embedded: EmbeddedBroker, bucket: str) -> Settings:
    return Settings(
        kafka=fresh_embedded.bootstrap,
        data_dir=tmp_path,
        session_timeout=6,
        lake_flush=0.2,
        lake_url=f"s3://{bucket}/prefix/",
    )


@pytest.mark.slow
@pytest.mark.broker
@on_server
def test_a_lake_is_filled_read_compacted_and_expired_in_an_object_store(settings: Settings) -> None:
    assert settings.kafka
    send(settings.kafka, one_of_each())
    sink_until(settings, lambda counts: counts.rows["decisions"] == 1 and counts.rows["dead_letters"] == 1)
    for table in SHARED:
        assert count(settings, table.name) == (2 if table.name == "submissions" else 1), table.name
    send(settings.kafka, [("decisions", encode(decision(f"d{n}"))) for n in range(9)])
    sink_until(settings, lambda counts: counts.rows["decisions"] == 9)  # the next sink goes on where the first ended
    sums = query("SELECT count(*) AS n, (SELECT sum(decisions) FROM traffic_hourly) AS rolled FROM decisions", settings)
    assert sums.to_pylist() == [{"n": 10, "rolled": 10}]
    assert not settings.lake_dir.exists()

    reader = connect(settings)
    assert compact(settings).merged >= 2
    assert reader.cursor().execute("SELECT count(DISTINCT id) FROM decisions").fetchall() == [(10,)]
    assert count(settings, "decisions") == 10
    assert export(settings, settings.data_dir / "bi.duckdb", ["messages"]) == {"messages": 4}
    [text] = [file for file in full_files(settings, "texts") if file][:1]
    with pytest.raises(AntispamError, match="Cannot access"):
        query(f"SELECT * FROM '{text}'", settings)
    expire(settings, datetime.now(UTC) + timedelta(days=settings.retention_days + 2), grace_hours=0)
    assert count(settings, "decisions") == 0


@pytest.mark.slow
@on_server
def test_a_stale_writer_is_fenced_in_an_object_store(bucket: str) -> None:
    place = f"s3://{bucket}/lake"
    ours, theirs = (delta.open_table(place, DECISIONS) for _ in range(2))
    rows = DECISIONS.schema.empty_table()
    delta.append(theirs, rows, {"a": None}, {"a": 4})
    with pytest.raises(delta.Fenced):
        delta.append(ours, rows, {"a": None}, {"a": 4})
    assert {delta.find_table(place, table) for table in FULL} == {None}


@pytest.mark.long
def test_a_store_that_does_not_answer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (KEYS | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_RETRIES", "0")
    with pytest.raises(UnavailableError, match=r"the lake's table .* cannot be read"):
        query("SELECT 1", Settings(data_dir=tmp_path, lake_url="s3://bucket"))


@pytest.mark.parametrize("url", ["http://x/y", "s3://", "s3://B", "s3://bucket/a b", "file:///x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="lake_url"):
        Settings(lake_url=url)
