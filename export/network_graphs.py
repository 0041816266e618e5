"""The trained networks as graphs: features of two pictures, or evidence around a box, in."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor

from ..model.alignment_net import CELLS, AlignmentNet
from ..model.box_net import MAPS, SIDE, BoxNet
from ..model.folding import fold_batch_norm
from ..model.pair_net import PairNet
from ..model.verification_net import VerificationNet
from ..runtime.bundle.manifest import COMPARE_ROLE, FOLLOW_ROLE, NETWORK_ROLE
from .graphs import GraphExport

ALIGNMENT_INPUTS = ("source", "target", "usable")
ALIGNMENT_OUTPUTS = ("affine", "placed")
VERIFICATION_OUTPUTS = ("decision", "region")
FOLLOW_INPUTS = ("maps", "readings")
FOLLOW_OUTPUTS = ("change", "doubt")
COMPARE_INPUTS = ("template", "seen", "zooms")
COMPARE_OUTPUTS = ("odds",)

VERIFICATION_MAPS = (((12, 16), (12, 40)), ((4, 5), (9, 13)), ((16, 11), (5, 6)))
"""Rows and columns of the query's and the reference's features that the graph is tried with."""


def alignment_export(network: AlignmentNet, channels: int) -> GraphExport:
    """The graph of an alignment network for features of ``channels`` channels.

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
        return dict(zip(ALIGNMENT_INPUTS, (source, target, usable), strict=True))

    return GraphExport(
        role=NETWORK_ROLE,
        module=network.eval(),
        inputs=inputs(2),
        checks=[inputs(1), inputs(3)],
        dynamic={name: {} for name in ALIGNMENT_INPUTS},
        outputs=ALIGNMENT_OUTPUTS,
    )


def verification_export(network: VerificationNet, channels: int) -> GraphExport:
    """The graph of a verification network for features of ``channels`` channels.

    Its inputs ``query (1, C, h, w)`` and ``reference (1, C, H, W)`` are raw features; its outputs
    ``decision (1,)`` and ``region (1, H, W)`` are log odds.
    """

    def inputs(query: tuple[int, int], reference: tuple[int, int]) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(query[0])
        drawn = (
            torch.randn(1, channels, *size, generator=generator) for size in (query, reference)
        )
        return dict(zip(("query", "reference"), drawn, strict=True))

    example, *others = (inputs(*sizes) for sizes in VERIFICATION_MAPS)
    return GraphExport(
        role=NETWORK_ROLE,
        module=network.eval(),
        inputs=example,
        checks=others,
        dynamic={
            "query": {2: "query_height", 3: "query_width"},
            "reference": {2: "map_height", 3: "map_width"},
        },
        outputs=VERIFICATION_OUTPUTS,
        least={"query_height": 1, "query_width": 1, "map_height": 1, "map_width": 1},
    )


def follow_export(network: BoxNet, channels: int) -> GraphExport:  # noqa: ARG001
    """The graph of a network that reads boxes, whose normalisations are folded.

    Its inputs are ``maps (1, 16, 20, 20)`` and ``readings (1, K)``, its outputs ``change (1, 4)``
    and ``doubt (1, 4)``; they are the same whatever the ``channels`` of the features.
    """

    def inputs(seed: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        # Evidence lies in [-1, 1]; readings do, and most are small.
        maps = torch.rand(1, MAPS, SIDE, SIDE, generator=generator) * 2 - 1
        readings = torch.randn(1, network.readings, generator=generator) * 0.3
        return dict(zip(FOLLOW_INPUTS, (maps, readings), strict=True))

    return GraphExport(
        role=FOLLOW_ROLE,
        module=fold_batch_norm(deepcopy(network).eval()),
        inputs=inputs(0),
        checks=[inputs(1), inputs(2)],
        dynamic={name: {} for name in FOLLOW_INPUTS},
        outputs=FOLLOW_OUTPUTS,
    )


def compare_export(network: PairNet, channels: int) -> GraphExport:  # noqa: ARG001
    """The graph of a network that compares registered pixels, whose normalisations are folded.

    Its inputs are ``template`` and ``seen (1, H, W, 3)``, BGR from 0 to 255, and ``zooms (1, 2)``,
    its output is ``odds (1,)``; they are the same whatever the ``channels`` of the features.
    """

    def inputs(rows: int, columns: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(rows)
        template = torch.rand(1, rows, columns, 3, generator=generator) * 255
        # Alike, as a copy in another light.
        noise = torch.rand(1, rows, columns, 3, generator=generator)
        zooms = torch.rand(1, 2, generator=generator) - 0.5
        pictures = template, template * 0.6 + 90 * noise, zooms
        return dict(zip(COMPARE_INPUTS, pictures, strict=True))

    sides = {1: "picture_height", 2: "picture_width"}
    return GraphExport(
        role=COMPARE_ROLE,
        module=fold_batch_norm(deepcopy(network).eval()),
        inputs=inputs(64, 64),
        checks=[inputs(48, 88), inputs(32, 128)],
        dynamic={"template": sides, "seen": sides, "zooms": {}},
        outputs=COMPARE_OUTPUTS,
        least={"picture_height": 8, "picture_width": 8},
    )
