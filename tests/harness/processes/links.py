"""The role `links` in its own process, with an account of the registered port."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.run.child import Child, free_port
from pipeline.settings import Settings
from tests.harness.processes.api import PORT, deployment, until_ready
from tests.harness.processes.forked import ForkedChild

ACCOUNT, SECRET = "900001", "secret"  # of 6 and 8 octets at most


def link_deployment(bootstrap: str, folder: Path, **more: int) -> Settings:
    """Create topics, a published port and the file of accounts; CMPP and SMPP listen, and protocols in `more`."""
    accounts = folder / "accounts.yaml"
    accounts.write_text(
        f'"{ACCOUNT}": {{port: "{PORT}", addresses: [127.0.0.0/8], links: 4, rate: 100000, window: 64}}\n'
    )
    ports = {"cmpp_port": free_port(), "smpp_port": free_port(), "serve_port": free_port()} | more
    return deployment(bootstrap, folder, link_accounts=accounts, **ports)[0]


def start_links(settings: Settings) -> Child:
    """Start the role and return when it is ready."""
    environment = {
        **os.environ,
        "ANTISPAM_KAFKA": settings.kafka or "",
        "ANTISPAM_DATA_DIR": str(settings.data_dir.resolve()),
        "ANTISPAM_PARTITIONS": str(settings.partitions),
        "ANTISPAM_SERVE_PORT": str(settings.serve_port),
        "ANTISPAM_CMPP_PORT": str(settings.cmpp_port),
        "ANTISPAM_SMPP_PORT": str(settings.smpp_port),
        **({"ANTISPAM_SMGP_PORT": str(settings.smgp_port)} if settings.smgp_port else {}),
        **({"ANTISPAM_SGIP_PORT": str(settings.sgip_port)} if settings.sgip_port else {}),
        "ANTISPAM_LINK_ACCOUNTS": str(settings.link_accounts),
        f"ANTISPAM_LINK_{ACCOUNT}_SECRET": SECRET,
    }
    child = ForkedChild("links", ("serve", "links"), settings.data_dir / "links.log", env=environment)
    return until_ready(child, f"http://127.0.0.1:{settings.serve_port}")
