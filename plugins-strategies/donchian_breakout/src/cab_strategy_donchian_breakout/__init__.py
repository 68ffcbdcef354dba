"""Donchian channel breakout with an ATR floor."""
