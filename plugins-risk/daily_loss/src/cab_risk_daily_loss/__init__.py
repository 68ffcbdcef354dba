"""Halts entries at the daily loss limit."""
