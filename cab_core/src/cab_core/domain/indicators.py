"""Vectorised indicators with the conventions of spec 3.2."""
