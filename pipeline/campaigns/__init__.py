"""Campaigns: one text in many variants, found and recognised again."""
