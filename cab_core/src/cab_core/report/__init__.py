"""What is told about a finished run: its summary as data, rows for a terminal, and the HTML report."""

from cab_core.report.facts import DataFacts, PluginFacts, RunFacts
from cab_core.report.summary import human_summary, summary

__all__ = ["DataFacts", "PluginFacts", "RunFacts", "human_summary", "summary"]
