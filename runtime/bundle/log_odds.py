"""The one logistic: between probabilities and their log-odds."""

from __future__ import annotations

import math


def logistic(odds: float) -> float:
    """The probability of log-odds: ``1 / (1 + exp(-odds))``."""
    return 1.0 / (1.0 + math.exp(min(-odds, 700.0)))


def log_odds(score: float) -> float:
    """Log-odds of a score in [0, 1], within what double precision tells apart."""
    return math.log(max(score, 1e-15) / max(1 - score, 1e-15))
