from cab_core.testing import StrategyConformance
from cab_strategy_vwap_reversion import VwapReversion


class TestVwapReversion(StrategyConformance):
    plugin = VwapReversion
