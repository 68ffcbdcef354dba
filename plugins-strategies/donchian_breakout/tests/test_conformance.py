from cab_core.testing import StrategyConformance
from cab_strategy_donchian_breakout import DonchianBreakout


class TestDonchianBreakout(StrategyConformance):
    plugin = DonchianBreakout
    settling_bars = 50  # the averages are recursive: later than the warm-up, their start is forgotten
