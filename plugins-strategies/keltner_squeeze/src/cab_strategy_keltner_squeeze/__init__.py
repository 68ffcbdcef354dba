"""Release of a Bollinger-in-Keltner volatility squeeze."""
