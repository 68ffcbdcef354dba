"""Fusion of a strategy's confidence with the probability of an AI model (spec 6.1)."""

from __future__ import annotations

from enum import StrEnum

import attrs
import numpy as np
import numpy.typing as npt

from cab_core.domain.bars import FloatArray
from cab_core.domain.signals import Action, ActionArray

_SUM_TOLERANCE = 1e-6


class FusionMode(StrEnum):
    """``linear`` mixes with fixed weights, ``nonlinear`` trusts the model the more decided it is."""

    LINEAR = "linear"
    NONLINEAR = "nonlinear"


def _default_w_ai(settings: FusionSettings) -> float:
    return 0.35 if settings.w_technical is None else 1 - settings.w_technical


def _sums_to_one(settings: FusionSettings, _: object, w_ai: float) -> None:
    if settings.w_technical is not None and abs(settings.w_technical + w_ai - 1) > _SUM_TOLERANCE:
        raise ValueError(f"w_technical ({settings.w_technical}) and w_ai ({w_ai}) must sum to 1.0")


@attrs.frozen(slots=True, kw_only=True)
class FusionSettings:
    """How confidences are mixed.

    Attributes:
        w_technical: None, or the weight of the technical confidence in [0, 1].
        w_ai: weight of the model in [0, 1]; without it the rest of ``w_technical``, or 0.35.
        gamma: nonlinear only, 0.25 to 4: exponent of the model's decidedness ``|2p-1|``.

    Raises:
        ValueError: a value is out of range, or the weights are both given and do not sum to 1.
    """

    mode: FusionMode = attrs.field(default=FusionMode.LINEAR, converter=FusionMode)
    w_technical: float | None = None
    w_ai: float = attrs.field(
        default=attrs.Factory(_default_w_ai, takes_self=True),
        validator=[attrs.validators.ge(0.0), attrs.validators.le(1.0), _sums_to_one],
    )
    gamma: float = attrs.field(default=1.0, validator=[attrs.validators.ge(0.25), attrs.validators.le(4.0)])


def usable(p: npt.ArrayLike | None) -> FloatArray:
    """Return ``p`` as float64 with NaN wherever it is no probability: None, NaN or outside [0, 1]."""
    values = np.asarray(np.nan if p is None else p, np.float64)
    return np.where((values >= 0) & (values <= 1), values, np.nan)


def ai_weight(p: FloatArray, settings: FusionSettings) -> FloatArray:
    """Return the weight of the model per bar, 0.0 where ``p`` is NaN."""
    weight = np.full(p.shape, settings.w_ai)
    if settings.mode is FusionMode.NONLINEAR:
        # Not numpy's power: its last bit depends on how many bars are raised at once.
        certainty = [abs(2 * each - 1) ** settings.gamma for each in p.ravel().tolist()]
        weight = settings.w_ai * np.array(certainty).reshape(p.shape)
    return np.where(np.isnan(p), 0.0, weight)


def fuse(
    action: ActionArray, confidence: FloatArray, p: npt.ArrayLike | None, settings: FusionSettings
) -> FloatArray:
    """Return the fused confidences.

    The model adjusts buys and strengthens sells; it never weakens an exit and never touches a hold.

    Args:
        action: int8, shape [S, N] or [N].
        confidence: technical confidences of the same shape.
        p: probability that the price rises, one per bar (shape [N]) or one for all; None, NaN or a value
            outside [0, 1] leaves the technical confidence.
        settings: weights and mode.
    """
    if p is None:
        return confidence
    probability = usable(p)
    if np.isnan(probability).all():
        return confidence
    weight = ai_weight(probability, settings)
    rise = np.where(np.isnan(probability), 0.0, probability)
    technical = (1 - weight) * confidence
    buys = technical + weight * rise
    sells = np.maximum(technical + weight * (1 - rise), confidence)
    fused = np.where(action == Action.BUY, buys, np.where(action == Action.SELL, sells, confidence))
    return np.where(np.isnan(probability), confidence, fused)
