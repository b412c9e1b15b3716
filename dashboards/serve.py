"""`antispam console`: Streamlit behind the guard, in its own process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from streamlit.starlette import App
from uvicorn.config import HTTP_PROTOCOLS, WS_PROTOCOLS

from dashboards.guard import Guard, now_ms
from dashboards.sign_in import SignIn
from dashboards.web_socket import Socket
from pipeline.errors import AntispamError
from pipeline.process.http_connections import allow_descriptors, bounded
from pipeline.settings import Settings
from pipeline.store.accounts.users import first_administrator
from pipeline.store.migrate import open_database

HEAD_SECONDS = 10.0  # longest time for a request without a session to arrive, s
# The reader's system chooses light or dark. The same colours as in palette.css, which styles what is our own.
THEME = {
    "theme.light.primaryColor": "#1f6f8b",
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f3f5f7",
    "theme.light.textColor": "#1d2733",
    "theme.dark.primaryColor": "#2b7f9e",
    "theme.dark.linkColor": "#6cc3e0",
    "theme.dark.backgroundColor": "#12181f",
    "theme.dark.secondaryBackgroundColor": "#1a222b",
    "theme.dark.textColor": "#e4e9ee",
    "theme.font": '"Source Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif',
    "theme.baseFontSize": 15,
    "theme.baseRadius": "small",
}


def run_console(settings: Settings) -> None:
    """Serve the console until a signal ends the process. Print its address and the first account's one-time password.

    Raises AntispamError if the address cannot be used.
    """
    from starlette.middleware import Middleware

    db = open_database(settings)
    password = first_administrator(db, now_ms())
    if password is not None:
        print(f"console: first account `admin`, one-time password {password} (shown only now)", flush=True)
    print(f"console: http://{settings.console_host}:{settings.console_port}", flush=True)
    app = App(
        Path(__file__).with_name("main.py").resolve(),
        routes=SignIn(db, settings.console_url).routes(),
        middleware=[Middleware(Guard, db=db, address=settings.console_url)],
    )
    allow_descriptors()
    # Streamlit makes uvicorn's configuration but leaves protocol and trusted proxies at uvicorn's defaults.
    # By default, uvicorn trusts forwarded headers of every process on this host. An empty list trusts none.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    HTTP_PROTOCOLS["auto"] = bounded(HEAD_SECONDS)  # type: ignore[assignment]
    WS_PROTOCOLS["websockets-sansio"] = f"{Socket.__module__}:{Socket.__name__}"  # the one that Streamlit names
    sys.argv = ["antispam"]  # Streamlit passes these arguments on
    try:
        app.run(
            config={
                "server.address": settings.console_host,
                "server.port": settings.console_port,
                "server.headless": True,
                "server.fileWatcherType": "none",
                "server.maxUploadSize": 2,  # MB, shown beside the button: no service takes a larger file
                "browser.gatherUsageStats": False,
                "client.toolbarMode": "minimal",  # no Deploy button, and the key C opens no dialog
                "client.showErrorDetails": "none",
                "logger.level": "warning",
                **THEME,
            }
        )
    except OSError as error:
        raise AntispamError(f"console: {settings.console_host}:{settings.console_port}: {error.strerror}") from None
    finally:
        db.close()
