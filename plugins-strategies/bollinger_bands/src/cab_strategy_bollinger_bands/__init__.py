"""Bollinger Band touch with a bandwidth filter."""
