"""RSI recovery confirmed by rate of change."""
