"""The HTTP API: what it answers, over the collaborators in `backend.py`; only `role.py` and `lag.py` know Kafka."""
