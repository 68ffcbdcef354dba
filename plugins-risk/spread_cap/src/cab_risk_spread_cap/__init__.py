"""Shrinks or delays entries at a wide spread."""
