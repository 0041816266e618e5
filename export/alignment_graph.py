"""The alignment network as a graph: features of two pictures to an affine map and a spline."""

from __future__ import annotations

import torch
from torch import Tensor

from ..model.alignment_net import CELLS, AlignmentNet
from ..runtime.backends.pair_network import ROLE
from .graphs import GraphExport

INPUTS = ("source", "target", "usable")

OUTPUTS = ("affine", "placed")


def alignment_export(network: AlignmentNet, channels: int) -> GraphExport:
    """The graph of a trained network for features of ``channels`` channels.

    Its inputs ``source`` and ``target (1, C, 16, 16)`` are raw features and ``usable (1, 16, 16)``
    says which source cells count; its outputs are ``affine (1, 2, 3)`` and ``placed (1, 16, 2)``,
    in fractions of the pictures' sides. The exporter takes three times as long for any number of
    pairs at once.
    """

    def inputs(shift: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(shift)
        shape = 1, channels, CELLS, CELLS
        # Alike, so that there is something to align and rounding decides nothing.
        source = torch.randn(shape, generator=generator)
        target = source.roll(shift, 3) + 0.3 * torch.randn(shape, generator=generator)
        usable = torch.ones(1, CELLS, CELLS)
        usable[:, :2] = 0
        return dict(zip(INPUTS, (source, target, usable), strict=True))

    return GraphExport(
        role=ROLE,
        module=network.eval(),
        inputs=inputs(2),
        checks=[inputs(1), inputs(3)],
        dynamic={name: {} for name in INPUTS},
        outputs=OUTPUTS,
    )
