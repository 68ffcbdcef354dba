"""What is told about a finished run: its summary as data, rows for a terminal, and the HTML report."""

from cab_core.report.facts import DataFacts, PluginFacts, RunFacts
from cab_core.report.summary import human_summary, summary
from cab_core.report.writing import write_report

__all__ = ["DataFacts", "PluginFacts", "RunFacts", "human_summary", "summary", "write_report"]
