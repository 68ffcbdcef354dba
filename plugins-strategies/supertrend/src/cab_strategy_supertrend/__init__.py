"""SuperTrend flip."""
