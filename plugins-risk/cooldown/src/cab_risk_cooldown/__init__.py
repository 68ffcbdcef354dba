"""Delays an entry shortly after a fill of the symbol."""
