from cab_core.testing import StrategyConformance
from cab_strategy_supertrend import Supertrend


class TestSupertrend(StrategyConformance):
    plugin = Supertrend
    settling_bars = 150  # the averages are recursive: later than the warm-up, their start is forgotten
