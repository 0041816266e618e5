"""The alignment network as a graph: features of two pictures to an affine map and a spline."""

from __future__ import annotations

import torch
from torch import Tensor

from ..model.alignment_net import CELLS, AlignmentNet
from .onnx_graphs import GraphExport

ROLE = "network"

INPUTS = ("source", "target", "usable")

OUTPUTS = ("affine", "placed")


def alignment_export(network: AlignmentNet, channels: int) -> GraphExport:
    """The graph of a trained network for features of ``channels`` channels.

    Its inputs ``source`` and ``target (B, C, 16, 16)`` are raw features and ``usable (B, 16, 16)``
    says which source cells count; its outputs are ``affine (B, 2, 3)`` and ``placed (B, 16, 2)``,
    in fractions of the pictures' sides.
    """

    def inputs(batch: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(batch)
        shape = batch, channels, CELLS, CELLS
        # Alike, so that there is something to align and rounding decides nothing.
        source = torch.randn(shape, generator=generator)
        target = source.roll(batch, 3) + 0.3 * torch.randn(shape, generator=generator)
        usable = torch.ones(batch, CELLS, CELLS)
        usable[:, :2] = 0
        return dict(zip(INPUTS, (source, target, usable), strict=True))

    return GraphExport(
        role=ROLE,
        module=network.eval(),
        inputs=inputs(2),
        checks=[inputs(1), inputs(3)],
        dynamic={name: {0: "batch"} for name in INPUTS},
        outputs=OUTPUTS,
    )
