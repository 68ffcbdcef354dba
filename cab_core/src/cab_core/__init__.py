"""Kernel and SDK of cab: one pure core decides for backtest, replay, paper and live."""

__version__ = "0.1.0"
