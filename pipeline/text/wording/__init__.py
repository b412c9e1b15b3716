"""Wordings that the law asks for: a way to unsubscribe, a salutation."""
