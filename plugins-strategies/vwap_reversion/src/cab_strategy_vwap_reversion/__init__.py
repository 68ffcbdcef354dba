"""Reversion to the rolling VWAP."""
