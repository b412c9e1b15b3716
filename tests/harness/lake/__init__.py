"""Lakes for tests: invented rows, decisions replayed, reports of backtests."""
