"""Halts entries at the maximum drawdown."""
