"""The registry: ports, lists, enterprises and configurations as rows, changed by people."""
