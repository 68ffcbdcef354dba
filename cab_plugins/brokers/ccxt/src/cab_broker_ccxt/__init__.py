"""Live broker: Gate.io and other exchanges through ccxt."""
