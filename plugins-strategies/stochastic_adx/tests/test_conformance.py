from cab_core.testing import StrategyConformance
from cab_strategy_stochastic_adx import StochasticAdx


class TestStochasticAdx(StrategyConformance):
    plugin = StochasticAdx
    settling_bars = 100  # the averages are recursive: later than the warm-up, their start is forgotten
