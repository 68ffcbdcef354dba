"""EMA trend state with an ATR volatility ceiling."""
