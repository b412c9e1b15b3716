"""Codecs of the carrier protocols: bytes <-> objects. Pure: no sockets, no clock."""
