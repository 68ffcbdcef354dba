"""The rehearsal: the live bot on a local exchange, with faults and kills, and a verdict at the end."""

from cab_core.app.rehearsal.menu import Level
from cab_core.app.rehearsal.plan import Plan, Progress, Watch
from cab_core.app.rehearsal.report import Report
from cab_core.app.rehearsal.supervisor import rehearse

__all__ = ["Level", "Plan", "Progress", "Report", "Watch", "rehearse"]
