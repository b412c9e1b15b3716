"""Backtests: what another policy would have decided, from the lake and by the same decision function."""
