"""Recorded candles: files, a folder of them, and a sample market made from a seed."""
