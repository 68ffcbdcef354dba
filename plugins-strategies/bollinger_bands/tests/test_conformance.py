from cab_core.testing import StrategyConformance
from cab_strategy_bollinger_bands import BollingerBands


class TestBollingerBands(StrategyConformance):
    plugin = BollingerBands
