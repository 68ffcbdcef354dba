"""Notifier that writes alerts to the log."""
