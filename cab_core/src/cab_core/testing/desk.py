"""A desk with canned answers, for notifiers that listen."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import attrs

from cab_core.errors import CabError, UsageError
from cab_core.testing.desk_documents import TRACE_ID, answers


@attrs.define(eq=False)
class CannedDesk:
    """An `OperatorDesk` that answers with what it was given.

    Attributes:
        answers: answer by question; one that is an exception is raised.
        memory: what the plugin kept.
        asked: the questions so far, with their filters.
        done: the commands so far; the same idempotency key never comes twice.
        failing: raised by every question and command while it is set.
    """

    answers: dict[str, Any] = attrs.field(factory=answers)
    memory: dict[str, str] = attrs.field(factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)
    done: list[dict[str, Any]] = attrs.field(factory=list)
    failing: CabError | None = None

    async def ask(self, question: str, **filters: Any) -> Any:
        """Return the canned answer."""
        self.asked.append((question, filters))
        self._fail()
        if question not in self.answers:
            raise UsageError(f"no question {question!r}")
        answer = self.answers[question]
        if isinstance(answer, BaseException):
            raise answer
        return copy.deepcopy(answer)

    async def do(
        self,
        action: str,
        *,
        actor: str,
        role: str,
        symbol: str | None = None,
        rule: str | None = None,
        reason: str = "",
        key: str = "",
    ) -> Mapping[str, Any]:
        """Note the command, once per key."""
        self._fail()
        command = {"action": action, "actor": actor, "role": role, "symbol": symbol, "rule": rule}
        if not key or key not in {each["key"] for each in self.done}:
            self.done.append({**command, "reason": reason, "key": key})
        if role == "viewer":
            raise CabError(f"a viewer may not {action}", fix="ask an admin")
        state = {"pause": "paused", "stop": "stopped"}.get(action, "running")
        held = self.answers["positions"]
        told = ("symbol", "quantity", "stop", "resting_stop", "watched")
        states = {each["symbol"]: state for each in self.answers["status"]["symbols"]}
        return {
            "action": action,
            "states": states if symbol is None else {symbol: state},
            "changed": True,
            "positions": [
                {name: each[name] for name in told} for each in held if symbol in (None, each["symbol"])
            ],
            "closings": [
                {"symbol": each["symbol"], "order": "t-c", "state": "sold", "sold": each["quantity"]}
                | {"left": "0", "detail": "", "earlier": False}
                for each in (held if action == "close" else ())
            ],
            "released": [],
            "trace_id": TRACE_ID,
            "audit_seq": len(self.done),
        }

    async def recall(self) -> Mapping[str, str]:
        """Return what was kept."""
        return dict(self.memory)

    async def keep(self, values: Mapping[str, str | None]) -> None:
        """Keep or forget values."""
        for key, value in values.items():
            if value is None:
                self.memory.pop(key, None)
            else:
                self.memory[key] = value

    def _fail(self) -> None:
        if self.failing is not None:
            raise self.failing
