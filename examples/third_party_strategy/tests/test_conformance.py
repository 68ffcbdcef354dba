from cab_core.testing import StrategyConformance

from cab_strategy_vol_momentum import VolMomentum


class TestVolMomentum(StrategyConformance):
    plugin = VolMomentum
