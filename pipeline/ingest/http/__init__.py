"""The HTTP API. It uses the collaborators in `backend.py`; only `role.py` and `lag.py` know Kafka."""
