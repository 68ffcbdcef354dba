from cab_core.testing import StrategyConformance
from cab_strategy_keltner_squeeze import KeltnerSqueeze


class TestKeltnerSqueeze(StrategyConformance):
    plugin = KeltnerSqueeze
    settling_bars = 100  # the averages are recursive: later than the warm-up, their start is forgotten
