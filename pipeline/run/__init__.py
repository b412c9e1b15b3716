"""Everything on one machine: brokers, roles, supervision, the doctor, the demo."""
