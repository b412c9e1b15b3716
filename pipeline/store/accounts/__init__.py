"""Accounts: users, roles, sessions, API keys, and the throttle of sign-ins."""
