"""Event buses: the in-memory one."""

from cab_core.bus.memory import MemoryBus

__all__ = ["MemoryBus"]
