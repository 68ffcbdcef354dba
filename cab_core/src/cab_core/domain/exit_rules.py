"""The distances of protective exits and their cross-field rules (spec 9.1)."""

from __future__ import annotations

from decimal import Decimal

import attrs

from cab_core.domain.money import HUNDRED, ONE, ZERO, fraction

#: A first take profit not farther than both fees plus this many percent earns next to nothing.
_THIN_TARGET_PCT = Decimal("0.1")


@attrs.frozen(slots=True, kw_only=True)
class ExitRules:
    """Distances from the entry price as fractions (0.05 means 5 %).

    Attributes:
        stop_loss: how far below the entry the first stop lies.
        trailing: how far below the peak the trailing stop follows.
        tp1: where half is sold. ``tp2``: where the rest is sold.
        fee: taker fee, for the break-even price.
        breakeven_include_fees: break-even covers both fees; False uses the entry price.
        tp2_enabled: False lets the rest run with the trailing stop alone.

    Raises:
        ValueError: distances contradict each other; the text names every setting, value and rule.
    """

    stop_loss: Decimal = Decimal("0.05")
    trailing: Decimal = Decimal("0.03")
    tp1: Decimal = Decimal("0.02")
    tp2: Decimal = Decimal("0.05")
    fee: Decimal = Decimal("0.002")
    breakeven_include_fees: bool = True
    tp2_enabled: bool = True

    def __attrs_post_init__(self) -> None:
        problems = self._problems()
        if problems:
            raise ValueError("; ".join(problems))

    @classmethod
    def from_percents(
        cls,
        *,
        stop_loss_pct: Decimal,
        trailing_stop_pct: Decimal,
        take_profit_1_pct: Decimal,
        take_profit_2_pct: Decimal,
        fee_pct: Decimal,
        breakeven_include_fees: bool = True,
        tp2_enabled: bool = True,
    ) -> ExitRules:
        """Build the rules from settings in percent (5.0 means 5 %).

        Raises:
            ValueError: see the class.
        """
        return cls(
            stop_loss=fraction(stop_loss_pct),
            trailing=fraction(trailing_stop_pct),
            tp1=fraction(take_profit_1_pct),
            tp2=fraction(take_profit_2_pct),
            fee=fraction(fee_pct),
            breakeven_include_fees=breakeven_include_fees,
            tp2_enabled=tp2_enabled,
        )

    def warnings(self) -> list[str]:
        """Return what is allowed but hardly meant, one sentence each."""
        least = 2 * self.fee + fraction(_THIN_TARGET_PCT)
        if self.tp1 > least:
            return []
        thin = f"TAKE_PROFIT_1_PCT = {_percent(self.tp1)} earns next to nothing"
        return [f"{thin} after two fees of {_percent(self.fee)} %: set it above {_percent(least)}"]

    def _problems(self) -> list[str]:
        found = [
            _must(name, value, "greater than 0 and less than 100")
            for name, value in (("STOP_LOSS_PCT", self.stop_loss), ("TRAILING_STOP_PCT", self.trailing))
            if not _finite(value) or not ZERO < value < ONE
        ]
        targets = (("TAKE_PROFIT_1_PCT", self.tp1), ("TAKE_PROFIT_2_PCT", self.tp2))
        bad = [name for name, value in targets if not _finite(value) or value <= 0]
        found += [_must(name, value, "greater than 0") for name, value in targets if name in bad]
        if not bad and self.tp1 >= self.tp2:
            found.append(
                _must("TAKE_PROFIT_1_PCT", self.tp1, f"less than TAKE_PROFIT_2_PCT = {_percent(self.tp2)}")
            )
        if not _finite(self.fee) or not ZERO <= self.fee < ONE:
            found.append(_must("PAPER_FEE_PCT", self.fee, "at least 0 and less than 100"))
        return found


def _finite(value: Decimal) -> bool:
    return isinstance(value, Decimal) and value.is_finite()


def _must(name: str, value: Decimal, rule: str) -> str:
    return f"{name} = {_percent(value)} must be {rule}"


def _percent(value: Decimal) -> str:
    return f"{(value * HUNDRED).normalize():f}" if _finite(value) else str(value)
