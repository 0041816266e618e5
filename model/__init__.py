"""The PyTorch truth: backbones and the modules that get exported."""

from .alignment_net import AlignmentNet
from .backbones import BACKBONES, Backbone, BackboneSpec, build_backbone
from .box_net import BoxNet
from .folding import fold_batch_norm
from .matching import MatchingLayer
from .qatm import QATM, standardise
from .verification_net import VerificationNet
from .weights import WeightsError

__all__ = [
    "BACKBONES",
    "QATM",
    "AlignmentNet",
    "Backbone",
    "BackboneSpec",
    "BoxNet",
    "MatchingLayer",
    "VerificationNet",
    "WeightsError",
    "build_backbone",
    "fold_batch_norm",
    "standardise",
]
