"""What the HTTP API reads and writes in the operational database, a table each."""
