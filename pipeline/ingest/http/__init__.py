"""The HTTP API: what it answers, over the few functions of `backend.Backend`; no Kafka here."""
