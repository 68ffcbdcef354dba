from cab_core.testing import StrategyConformance
from cab_strategy_rsi_momentum import RsiMomentum


class TestRsiMomentum(StrategyConformance):
    plugin = RsiMomentum
    settling_bars = 100  # the averages are recursive: later than the warm-up, their start is forgotten
