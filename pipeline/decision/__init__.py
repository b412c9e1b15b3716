"""The decision function: a pure function of events, counters and a configuration."""
