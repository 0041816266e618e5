"""The fits of all scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from ...runtime.session import Session
from .match_fit import fit_match
from .score_fits import ScoreFit, fit_track, fit_verify
from .score_samples import Each

FITS: Mapping[str, Callable[[Session, Path, Each, Callable[[str], None]], ScoreFit]] = (
    MappingProxyType({"match": fit_match, "track": fit_track, "verify": fit_verify})
)
"""Where fitted numbers come from."""
