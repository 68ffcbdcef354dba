"""Keeping ccxt's debug output, which shows keys, out of every log."""

from __future__ import annotations

import logging

_NAMES = ("ccxt", "ccxt.base.exchange", "ccxt.async_support.base.exchange")


def _no_debug(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.INFO


def quiet() -> None:
    """Pin ccxt's loggers at INFO, and drop debug records even if somebody lowers the level later."""
    for name in {*_NAMES, *(n for n in logging.root.manager.loggerDict if n.startswith("ccxt."))}:
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)
        if _no_debug not in logger.filters:
            logger.addFilter(_no_debug)
