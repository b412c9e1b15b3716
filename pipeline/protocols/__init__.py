"""Carrier protocols: bytes <-> objects. Pure: no sockets, no clock."""
