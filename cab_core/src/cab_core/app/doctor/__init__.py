"""``cab doctor``: everything a run needs, looked at before it is needed."""

from cab_core.app.doctor.rows import Row, Verdict, examine

__all__ = ["Row", "Verdict", "examine"]
