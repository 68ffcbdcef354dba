"""Measures what cab promises about speed and weight: run ``make bench``."""
