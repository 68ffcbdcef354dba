"""What happens when a plugin fails: one table for all kinds."""

from __future__ import annotations

from enum import StrEnum

import attrs

from cab_core.plugins.kinds import Kind

#: A plugin is quarantined after this many strikes within so many of its latest calls.
STRIKES = 3
STRIKES_WINDOW = 20

#: Budget of the lifecycle hooks in seconds.
START_BUDGET_S = 5.0
HEALTH_BUDGET_S = 1.0
PANEL_BUDGET_S = 0.2


class OnLoadFailure(StrEnum):
    """What a plugin that is wanted but cannot be loaded does to the start."""

    REFUSE = "refuse to start"
    ABSENT = "start without it"
    WARN = "start with a warning"


class OnCallFailure(StrEnum):
    """What takes the place of an answer that raised, came too late or was junk."""

    HOLD = "hold"
    BLOCK = "block the entry"
    ABSENT = "reading absent"
    DROP = "alert dropped"
    UNKNOWN = "outcome unknown, settled by observation"


@attrs.frozen
class FailurePolicy:
    """How the failures of one kind are treated.

    Attributes:
        budget_s: of one call of its main hook.
        quarantine: what the quarantine means for the kind; the plugin is not called any more.
    """

    load: OnLoadFailure
    call: OnCallFailure
    budget_s: float
    quarantine: str


POLICIES: dict[Kind, FailurePolicy] = {
    Kind.STRATEGY: FailurePolicy(OnLoadFailure.REFUSE, OnCallFailure.HOLD, 0.2, "holds at every bar"),
    Kind.RISK: FailurePolicy(OnLoadFailure.REFUSE, OnCallFailure.BLOCK, 0.1, "every entry stays blocked"),
    Kind.MACRO: FailurePolicy(OnLoadFailure.ABSENT, OnCallFailure.ABSENT, 15.0, "counts as absent"),
    Kind.BROKER: FailurePolicy(OnLoadFailure.REFUSE, OnCallFailure.UNKNOWN, 30.0, "never quarantined"),
    Kind.NOTIFIER: FailurePolicy(OnLoadFailure.WARN, OnCallFailure.DROP, 10.0, "gets no more alerts"),
}
