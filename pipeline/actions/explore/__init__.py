"""Explore: messages over time and by any column, beside the period before, and what is known of one subject."""
