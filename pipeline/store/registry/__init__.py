"""The registry: ports, lists, enterprises and configurations in the database, changed by people."""
