"""Carriers and ports that behave as told, with seeded faults, for tests and evaluation.

They speak by the dialects of the other side: carriers by those for ports, ports by those for carriers.
"""
