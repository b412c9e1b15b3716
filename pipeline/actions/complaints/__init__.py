"""Complaints of recipients: taken from channels, matched to the message, counted, answered."""
