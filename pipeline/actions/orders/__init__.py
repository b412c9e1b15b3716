"""What follows for a person's number: orders to BOSS and HLR, alerts to other networks, unblocking, reconciliation."""
