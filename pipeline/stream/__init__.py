"""The exactly-once core: the processor with its keyed state, the campaign stage, the relay, the projector."""
