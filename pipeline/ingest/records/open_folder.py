"""Opens the folder of an address: local, on an FTP server or on an SFTP server."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from pipeline.file_exchange import Endpoint
from pipeline.ingest.records.folder import Folder
from pipeline.ingest.records.local_folder import local_folder


def open_folder(endpoint: Endpoint, known_hosts: Path) -> AbstractAsyncContextManager[Folder]:
    """The folder of an address, signed in. Raises FolderError when that fails."""
    scheme = endpoint.address.scheme
    if scheme == "ftp":
        from pipeline.ingest.records.ftp_folder import ftp_folder

        return ftp_folder(endpoint)
    if scheme == "sftp":
        from pipeline.ingest.records.sftp_folder import sftp_folder

        return sftp_folder(endpoint, known_hosts)
    return local_folder(Path(endpoint.address.folder))
