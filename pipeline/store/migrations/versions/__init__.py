"""One file for each migration; a published one is never changed."""
