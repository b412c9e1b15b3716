"""Alerts: the operators' inbox, and the ids of recurring alerts."""
