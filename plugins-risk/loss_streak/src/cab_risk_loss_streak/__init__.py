"""Halts entries after a streak of losing round trips."""
