"""The heartbeat of a bot of many symbols: one sign of life for all of them."""

from __future__ import annotations

from collections.abc import Callable, Collection

import attrs


@attrs.define(eq=False)
class Beats:
    """Beats once every symbol that is held has been looked at since the last beat.

    Were it enough that any symbol was looked at, the watching process would take a bot for alive that no
    longer looks after one of its positions.

    Attributes:
        held: the symbols that have an open position.
        beat: the sign of life.
    """

    held: Callable[[], Collection[str]]
    beat: Callable[[], None]
    _looked: set[str] = attrs.field(factory=set, init=False)

    def looked(self, symbol: str) -> None:
        """Take note of a completed look at a symbol."""
        self._looked.add(symbol)
        if self._looked.issuperset(self.held()):
            self._looked.clear()
            self.beat()
