"""Shrinks entries correlated with open positions."""
