"""Connections with a carrier: ours, and those that an SGIP carrier opens to us."""
