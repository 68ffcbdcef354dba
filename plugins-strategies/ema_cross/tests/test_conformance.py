from cab_core.testing import StrategyConformance
from cab_strategy_ema_cross import EmaCross


class TestEmaCross(StrategyConformance):
    plugin = EmaCross
    settling_bars = 100  # the averages are recursive: later than the warm-up, their start is forgotten
