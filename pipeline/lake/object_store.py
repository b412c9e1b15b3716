"""The object store of a lake whose tables lie under an s3:// address.

delta-rs reads and writes the tables and takes its settings from the environment: AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL, and AWS_ALLOW_HTTP=true for an endpoint without TLS. DuckDB reads
the files through Arrow's client with the same settings, because DuckDB's own needs an extension.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from fsspec.implementations.arrow import ArrowFSWrapper
from pyarrow.fs import S3FileSystem

CONNECT_SECONDS, REQUEST_SECONDS = 5.0, 30.0


class _S3(ArrowFSWrapper):  # type: ignore[misc] # fsspec has no types
    protocol = "s3"


def file_system() -> Any:
    """A client for `duckdb.DuckDBPyConnection.register_filesystem`."""
    options: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "request_timeout": REQUEST_SECONDS}
    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
    if endpoint.netloc:
        options |= {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme}
    if region := os.environ.get("AWS_REGION"):
        options["region"] = region
    return _S3(S3FileSystem(**options))
