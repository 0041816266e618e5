"""The verification network as a graph: features of a query and a reference to both answers."""

from __future__ import annotations

import torch
from torch import Tensor

from ..model.verification_net import VerificationNet
from ..runtime.backends.pair_network import ROLE
from .graphs import GraphExport

OUTPUTS = ("decision", "region")

MAPS = (((12, 16), (12, 40)), ((4, 5), (9, 13)), ((16, 11), (5, 6)))
"""Rows and columns of the query's and the reference's features that the graph is tried with."""


def verification_export(network: VerificationNet, channels: int) -> GraphExport:
    """The graph of a trained network for features of ``channels`` channels.

    Its inputs ``query (1, C, h, w)`` and ``reference (1, C, H, W)`` are raw features; its outputs
    ``decision (1,)`` and ``region (1, H, W)`` are log odds.
    """

    def inputs(query: tuple[int, int], reference: tuple[int, int]) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(query[0])
        drawn = (
            torch.randn(1, channels, *size, generator=generator) for size in (query, reference)
        )
        return dict(zip(("query", "reference"), drawn, strict=True))

    example, *others = (inputs(*sizes) for sizes in MAPS)
    return GraphExport(
        role=ROLE,
        module=network.eval(),
        inputs=example,
        checks=others,
        dynamic={
            "query": {2: "query_height", 3: "query_width"},
            "reference": {2: "map_height", 3: "map_width"},
        },
        outputs=OUTPUTS,
    )
