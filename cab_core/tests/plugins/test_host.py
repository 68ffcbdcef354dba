from __future__ import annotations

import numpy as np
import pytest

from cab_core.errors import PluginError
from cab_core.plugins.kinds import Kind
from cab_core.plugins.smoke import sample_bars
from cab_core.sdk import (
    ALLOW,
    Decision,
    RiskRule,
    Signals,
    Strategy,
    hookimpl,
    option,
    plugin,
)

BARS = sample_bars(12)


class Base(Strategy):
    def warmup_bars(self):
        return 1


class KeywordOnly(Base):
    @hookimpl
    def generate(self, *, md, ctx):
        return Decision("hold")


class Misspelt(Base):
    @hookimpl
    def signal(self, bars):
        return Signals.hold(len(bars), "x")


class MisspeltBeside(Base):
    @hookimpl
    def signals(self, bars):
        return Signals.hold(len(bars), "x")

    @hookimpl
    def helth(self):
        return None


class Marked(Base):
    @hookimpl
    def signals(self, bars):
        return Signals.hold(len(bars), "x")


class UnmarkedOverride(Marked):
    def signals(self, bars):
        return Signals.hold(len(bars), "y")


class Wrapping(Base):
    @hookimpl(wrapper=True)
    def signals(self, bars):
        return (yield)


class First(Base):
    @hookimpl(tryfirst=True)
    def signals(self, bars):
        return Signals.hold(len(bars), "x")


class Renamed(Base):
    @hookimpl(specname="signals")
    def mine(self, bars):
        return Signals.hold(len(bars), "x")


class Both(Marked):
    @hookimpl
    def generate(self, md, ctx):
        return Decision("hold")


class NoHook(Base):
    pass


class ForeignHook(Marked):
    @hookimpl
    def check(self, entry, book):
        return ALLOW


class UnknownArgument(Base):
    @hookimpl
    def signals(self, bars, book):
        return Signals.hold(len(bars), "x")


class Variadic(Base):
    @hookimpl
    def signals(self, *bars):
        return Signals.hold(1, "x")


class AsyncSignals(Base):
    @hookimpl
    async def signals(self, bars):
        return Signals.hold(len(bars), "x")


class NoWarmup(Strategy):
    @hookimpl
    def signals(self, bars):
        return Signals.hold(len(bars), "x")


class HugeWarmup(Marked):
    def warmup_bars(self):
        return 501


@pytest.mark.catalogue(101)
@pytest.mark.parametrize(
    ("cls", "says"),
    [
        (KeywordOnly, "takes md, ctx as keyword-only, which is never passed: remove the *"),
        (Misspelt, "signal() is not a hook of this kind: did you mean signals()?"),
        (MisspeltBeside, "helth() is not a hook of this kind: did you mean health()?"),
        (UnmarkedOverride, "put @hookimpl above `def signals`"),
        (Wrapping, "@hookimpl(wrapper)"),
        (First, "@hookimpl(tryfirst)"),
        (Renamed, "@hookimpl(specname)"),
        (Both, "implements signals and generate: keep one"),
        (NoHook, "define signals() or generate() with @hookimpl"),
        (ForeignHook, "check() is not a hook of this kind"),
        (UnknownArgument, "book"),
        (Variadic, "name each parameter"),
        (AsyncSignals, "write plain def"),
        (NoWarmup, "define warmup_bars(self)"),
        (HugeWarmup, "501 is not a whole number in [1, 500]"),
    ],
)
def test_a_plugin_that_would_be_misused_is_refused_with_the_fix(bind, cls, says):
    with pytest.raises(PluginError) as caught:
        bind(Kind.STRATEGY, cls())
    assert says in caught.value.what
    assert caught.value.where == "strategy:mine"


def test_a_wrapper_cannot_disarm_a_risk_rule(bind):
    class Disarm(RiskRule):
        @hookimpl(wrapper=True)
        def check(self, entry, book):
            yield
            return ALLOW

    with pytest.raises(PluginError, match="wrapper"):
        bind(Kind.RISK, Disarm())


def test_a_hook_may_name_only_the_arguments_it_needs(bind):
    class OnlyBook(RiskRule):
        @hookimpl
        def check(self, book):
            return book

    class Swapped(Base):
        @hookimpl
        def generate(self, ctx, md):
            return Decision("hold", 0.0, f"{ctx.symbol} {len(md)}")

    assert bind(Kind.RISK, OnlyBook()).call("entry", "book") == "book"
    assert bind(Kind.STRATEGY, Swapped()).by_bar(BARS, "A/B").reason == "A/B 12"


@plugin
class Rising(Strategy):
    """Buys when the close rose, in either form."""

    bars_back: int = option(1, help="Bars to look back.", ge=1)

    def warmup_bars(self):
        return self.bars_back + 1


class RisingSignals(Rising):
    @hookimpl
    def signals(self, bars):
        rose = np.zeros(len(bars), bool)
        rose[1:] = np.diff(bars.close) > 0
        return Signals(
            rose.astype(np.int8), np.where(rose, 0.7, 0.0), rose.astype(np.int16), ("fell", "rose"), {}
        )


class RisingByBar(Rising):
    @hookimpl
    def generate(self, md, ctx):
        if len(md) > 1 and md.close[-1] > md.close[-2]:
            return Decision("buy", 0.7, "rose")
        return Decision("hold", 0.0, "fell")


class RisingAsync(Rising):
    @hookimpl
    async def generate(self, md, ctx):
        return RisingByBar().generate(md, ctx)


@pytest.mark.parametrize("cls", [RisingByBar, RisingAsync])
def test_the_forms_of_a_strategy_give_the_same_signals(bind, cls):
    wanted = bind(Kind.STRATEGY, RisingSignals()).signals(BARS)
    found = bind(Kind.STRATEGY, cls()).signals(BARS)
    assert [found.row(k) for k in range(12)] == [wanted.row(k) for k in range(12)]
    assert {"buy", "hold"} == {found.row(k).action for k in range(12)}


def test_warmup_follows_the_options(bind):
    assert bind(Kind.STRATEGY, RisingSignals(bars_back=7)).warmup_bars == 8
