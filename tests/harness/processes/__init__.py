"""Real processes of the pipeline that a test starts, watches and kills."""
