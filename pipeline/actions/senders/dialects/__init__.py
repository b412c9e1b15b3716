"""The carriers' protocols as a link speaks them: one file a protocol, all behind `Dialect`."""
