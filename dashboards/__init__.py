"""The console: sign-in, pages and the review deck. What pages show and do lives in `pipeline`."""
