from cab_core.testing import StrategyConformance
from cab_strategy_ema_atr import EmaAtr


class TestEmaAtr(StrategyConformance):
    plugin = EmaAtr
    settling_bars = 100  # the averages are recursive: later than the warm-up, their start is forgotten
