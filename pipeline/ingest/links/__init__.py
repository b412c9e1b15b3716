"""Enterprises that send over the carriers' protocols. Sessions are pure; `link.py` and `server.py` have the sockets."""
