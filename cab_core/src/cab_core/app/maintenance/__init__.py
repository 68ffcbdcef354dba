"""Upkeep of the database by its operator: backups, their return, a check, less of the past, less room, dust.

Decided by people and timers, never by the bot itself.
"""

from cab_core.app.maintenance.backups import BackedUp, Rotated, rotate, take_backup
from cab_core.app.maintenance.copying import Copied, copy
from cab_core.app.maintenance.dust import Dust, Dusted, dust_of
from cab_core.app.maintenance.prune import Pruned, prune
from cab_core.app.maintenance.restore import Restored, restore
from cab_core.app.maintenance.tidy import Checked, Vacuumed, integrity, vacuum
from cab_core.app.maintenance.work import Order

__all__ = [
    "BackedUp",
    "Checked",
    "Copied",
    "Dust",
    "Dusted",
    "Order",
    "Pruned",
    "Restored",
    "Rotated",
    "Vacuumed",
    "copy",
    "dust_of",
    "integrity",
    "prune",
    "restore",
    "rotate",
    "take_backup",
    "vacuum",
]
