"""Packages of other languages and clients that nobody here wrote, fetched for tests; they skip without them."""
