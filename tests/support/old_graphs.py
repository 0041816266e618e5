"""A bundle as earlier versions wrote it: one map at the finest stride, one quality a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from qatm.export.bundle import describe, write_manifest
from qatm.export.graphs import GraphExport, feature_export, match_export, write_onnx
from qatm.model import Backbone, build_backbone, fold_batch_norm
from qatm.model.exported import MatchGraph, best_windows, window_means
from qatm.runtime import Bundle
from qatm.runtime.bundle.match_recipe import MatchRecipe


class OldFeatures(nn.Module):
    """Image to all layers at the finest stride, and their 2x2 means."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(image.float().permute(0, 3, 1, 2))
        return features, F.avg_pool2d(features, 2)


class OldMatch(nn.Module):
    """Rows and a map to one quality and the best windows."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.match = MatchGraph(alpha, alpha)

    def forward(
        self, template: Tensor, target: Tensor, search: Tensor, window: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        quality = self.match(template, target, search)[0]
        return quality, *best_windows(*window_means(quality.sqrt(), window), window)


def write_old_bundle(folder: Path) -> Bundle:
    """The default bundle in its earlier form."""
    spec = Bundle.load().spec
    info, alpha = spec.backbone, spec.recipes.match.alpha
    backbone = fold_batch_norm(build_backbone(info.name, None, info.taps))
    new = feature_export(backbone, info.align), match_export(info.channels, alpha)
    window = torch.tensor([2, 3])
    exports = (
        replace(new[0], module=OldFeatures(backbone), outputs=("features", "coarse")),
        replace(
            new[1],
            module=OldMatch(alpha),
            inputs={**new[1].inputs, "window": window},
            checks=[],
            dynamic={**new[1].dynamic, "window": {}},
            outputs=("quality", "scores", "boxes"),
        ),
    )
    files = {export.file_name: _written(export, folder, spec.opset) for export in exports}
    match = replace(spec.recipes.match, **older_judge())
    spec = replace(spec, recipes=replace(spec.recipes, match=match))
    write_manifest(
        folder / "bundle.json", replace(spec, files=files, network={}, follow={}, compare={})
    )
    return Bundle.load(folder)


def older_judge() -> dict[str, Any]:
    """Numbers of a judge that knows of no comparison."""
    names = "judge_hidden", "judge_output", "judge_centre", "judge_spread"
    return {name: getattr(MatchRecipe(), name) for name in names}


def _written(export: GraphExport, folder: Path, opset: int):
    path = folder / export.file_name
    write_onnx(export, path, opset, told=False)
    return describe(path, export.role, export.precision, export.least)
