"""Enterprises that send over the carriers' protocols: sessions of their links, pure; sockets come later."""
