"""The control plane: what a test or a rehearsal does to the exchange behind the client's back."""

from cab_exchange_sim.control.plane import Control
from cab_exchange_sim.control.router import PREFIX, control_router

__all__ = ["PREFIX", "Control", "control_router"]
