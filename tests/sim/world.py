"""The world outside of the bot: one exchange, what fails around it, and what others do on the account."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal

import attrs
from tests.sim import hands
from tests.sim.plan import Plan, Window

from cab_core.data.generator import START_MS, generate
from cab_core.domain.market import Costs, Instrument
from cab_core.domain.timeframes import DAY_MS, TF_MS
from cab_exchange_sim.engine import Exchange, VenueSettings, pair_of

ACCOUNT = "main"

#: Candles before the bot starts, and after its last day: the longest downtime has to fit in.
WARMUP_DAYS, SPARE_DAYS = 1, 24

COSTS = Costs(fee=Decimal("0.002"), slippage=Decimal("0.0003"))

#: Steps of amounts while the exchange has changed its rules: still a tenth of an entry.
COARSE_STEP = Decimal("0.0001")


@attrs.define(eq=False)
class World:
    """One exchange under the plan of a seed. It outlives the bots that trade on it.

    Attributes:
        active: the windows that are open now.
        struck: how often each fault struck.
        calm: nothing goes wrong any more.
        counts: how often each request was made, by kind and what it was about.
    """

    plan: Plan
    days: int
    exchange: Exchange = attrs.field(init=False)
    active: list[Window] = attrs.field(factory=list, init=False)
    struck: Counter[str] = attrs.field(factory=Counter, init=False)
    calm: bool = attrs.field(default=False, init=False)
    counts: dict[tuple[str, str], int] = attrs.field(factory=dict, init=False)
    _due: list[tuple[int, int, Callable[[], None]]] = attrs.field(factory=list, init=False)
    _numbers: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        length = WARMUP_DAYS + self.days + SPARE_DAYS
        bars = {symbol: generate(symbol, length, self.plan.seed) for symbol in self.plan.symbols}
        self.exchange = Exchange(
            bars,
            settings=VenueSettings(costs=COSTS, seed=self.plan.seed, enforce_limits=False),
            instruments={symbol: instrument(symbol) for symbol in self.plan.symbols},
            balances={ACCOUNT: {"USDT": Decimal(10_000)}},
            start_ms=start_ms(),
        )
        for window in self.plan.windows:
            self.later(window.from_ms, lambda w=window: self._open(w))
            self.later(window.to_ms, lambda w=window: self._close(w))
        for hand in self.plan.hands:
            self.later(hand.at_ms, lambda h=hand: self._hand(h))

    @property
    def now_ms(self) -> int:
        """The exchange's true time."""
        return self.exchange.now_ms

    def later(self, at_ms: int, what: Callable[[], None]) -> None:
        """Let something happen at a time of the exchange."""
        self._numbers += 1
        heapq.heappush(self._due, (at_ms, self._numbers, what))

    def advance(self, to_ms: int) -> None:
        """Play the market and everything that is due until ``to_ms``; a time in the past is now."""
        while self._due and self._due[0][0] <= to_ms:
            at_ms, _, what = heapq.heappop(self._due)
            self.exchange.advance(max(at_ms, self.now_ms))
            what()
        self.exchange.advance(max(to_ms, self.now_ms))

    def fails(self, *kinds: str) -> str | None:
        """Return the open window of one of these kinds."""
        return next((w.kind for w in self.active if w.kind in kinds), None)

    def settle_down(self) -> None:
        """End everything that goes wrong; what was sent late still arrives."""
        self.calm = True
        self.active.clear()
        self._apply()

    def _open(self, window: Window) -> None:
        if not self.calm:
            self.struck[window.kind] += 1
            self.active.append(window)
            self._apply()

    def _close(self, window: Window) -> None:
        if window in self.active:
            self.active.remove(window)
            self._apply()

    def _hand(self, hand: hands.Hand) -> None:
        if not self.calm and hands.act(self.exchange, ACCOUNT, hand):
            self.struck[hand.kind] += 1

    def _apply(self) -> None:
        """Set all conditions of the exchange to what the open windows make them."""
        skews = [w for w in self.active if w.kind == "skew"]
        self.exchange.conditions.clock_skew_ms = _skew_ms(skews[-1]) if skews else 0
        late = [w for w in self.active if w.kind == "late_listings"]
        self.exchange.conditions.balance_delay_ms = _delay_ms(late[-1], 2) if late else 0
        for symbol in self.plan.symbols:
            self._apply_to(symbol, [w for w in self.active if w.symbol == symbol])

    def _apply_to(self, symbol: str, windows: Iterable[Window]) -> None:
        market = self.exchange.market(pair_of(symbol))
        fresh = type(market.conditions)()
        market.instrument = instrument(symbol)
        for window in windows:
            if window.kind == "precision":
                market.instrument = attrs.evolve(instrument(symbol), amount_step=COARSE_STEP)
            for name, value in _conditions(window).items():
                setattr(fresh, name, value)
            candle_ms = window.from_ms // TF_MS * TF_MS
            if window.kind == "late_candles":
                fresh.candles.late_ms = 100_000
            elif window.kind == "missing_candle":
                fresh.candles.missing_ms = {candle_ms}
            elif window.kind == "doubled_candle":
                fresh.candles.doubled_ms = {candle_ms}
            elif window.kind == "unfinished_as_closed":
                fresh.candles.unfinished_as_closed = True
        market.conditions = fresh


def start_ms() -> int:
    """Return when the bot starts for the first time."""
    return START_MS + WARMUP_DAYS * DAY_MS


def instrument(symbol: str) -> Instrument:
    """Return the rules of a healthy market."""
    return Instrument(symbol, amount_step=Decimal("0.00001"), price_tick=Decimal("0.01"))


def _skew_ms(window: Window) -> int:
    return (-40_000, -9_000, 6_000, 20_000, 40_000)[(window.number + window.from_ms // 1000) % 5]


def _delay_ms(window: Window, salt: int) -> int:
    """Return a visibility delay of up to 90 s."""
    return (window.from_ms // 1000 * (salt + 7)) % 91 * 1000


def _conditions(window: Window) -> dict[str, object]:
    found: dict[str, dict[str, object]] = {
        "late_listings": {"order_delay_ms": _delay_ms(window, 0), "trade_delay_ms": _delay_ms(window, 1)},
        "doubled_trades": {"doubled_trades": True},
        "unordered_trades": {"unordered_trades": True},
        "partial_fills": {"partial_fill_prob": 0.6, "finish_as": "ioc"},
        "nothing_fills": {"fill_part": Decimal(0), "finish_as": "depth_not_enough"},
        "stop_fails": {"stop_fails": "BALANCE_NOT_ENOUGH"},
        "stop_fills_in_part": {"limit_part": Decimal("0.4")},
        "stale_quote": {"stale_ms": 300_000},
        "untradable": {"trade_status": "untradable"},
        "buys_closed": {"trade_status": "sellable"},
    }
    return found.get(window.kind, {})
