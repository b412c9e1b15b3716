"""The WebSocket protocol of the console's server, made safe against frames that come too early."""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class Socket(WebSocketsSansIOProtocol):
    """uvicorn's protocol. A frame that is wrong and comes before our answer to the handshake ends the connection.

    uvicorn 0.54 fails at such a frame, and writes a traceback into the log. Strangers could fill the log so.
    """

    def handle_parser_exception(self) -> None:
        """See uvicorn. Without a handshake there is nobody to send a close frame to."""
        if self.conn.close_sent is None:
            self.transport.close()
        else:
            super().handle_parser_exception()
