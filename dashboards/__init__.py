"""The console: sign-in, pages and the review deck. Pages call the services in `pipeline`."""
