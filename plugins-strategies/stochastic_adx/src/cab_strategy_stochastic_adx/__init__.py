"""Stochastic pullback cross with ADX trend strength."""
