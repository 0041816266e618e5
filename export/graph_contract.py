"""What goes into every graph of a bundle and what comes out: the contract with other programs.

The text stands here once: it is written into the ONNX files and into docs/graphs.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import onnx

from ..runtime.errors import ExportError
from ..runtime.match.find_inputs import LEVEL_NUMBERS, NUMBERS
from ..runtime.version import __version__

PAGE = "docs/graphs.md"
"""Where all of it can be read."""

NUMBERED = re.compile(r"^(tap)\d+$")
"""Names of outputs of which there are as many as the network has taps."""


class GraphTensor(NamedTuple):
    """An input or an output.

    Attributes:
        name: in the graph; ``tapN`` stands for ``tap0``, ``tap1`` and so on.
        dtype: numpy's name.
        shape: as people write it; ``C`` is the number of channels of all taps together.
        text: what it holds, units and conventions.
        compared: whether only graphs have it that compare pixels by a trained network.
    """

    name: str
    dtype: str
    shape: str
    text: str
    compared: bool = False


class GraphContract(NamedTuple):
    """A graph.

    Attributes:
        purpose: what it computes.
        inputs: in order.
        outputs: in order.
    """

    purpose: str
    inputs: tuple[GraphTensor, ...]
    outputs: tuple[GraphTensor, ...]


IMAGE = "picture, BGR, rows from the top; pixel i covers [i, i + 1)"
ROWS = GraphTensor(
    "template", "float32", "(rows, C)", "raw features of the template's patches, then competitors'"
)
TARGET = GraphTensor("target", "float32", "(rows)", "1 for the template's own rows, 0 for others")
SEARCH = GraphTensor("search", "float32", "(C, map_height, map_width)", "raw features of a picture")

ENCODED = (
    GraphTensor("numbers", "float32", f"({len(NUMBERS)})", f"{', '.join(NUMBERS)}"),
    GraphTensor(
        "levels",
        "float32",
        f"(levels, {len(LEVEL_NUMBERS)})",
        f"of each resolution, finest first: {', '.join(LEVEL_NUMBERS)}",
    ),
    GraphTensor(
        "coarse_rows", "float32", "(coarse_patches, C)", "patches of the coarse map, all levels"
    ),
    GraphTensor("coarse_target", "float32", "(coarse_patches)", "as `target` of match.onnx"),
    GraphTensor("coarse_footprint", "float32", "(coarse_cells)", "1 where a window has a patch"),
    GraphTensor("fine_rows", "float32", "(fine_patches, C)", "patches at the finest stride"),
    GraphTensor("fine_target", "float32", "(fine_patches)", "as `target` of match.onnx"),
    GraphTensor(
        "fine_footprint",
        "float32",
        "(fine_cells_down, fine_cells_across)",
        "1 where the window has a patch",
    ),
    GraphTensor(
        "fine_offset",
        "float32",
        "(2)",
        "working pixels from the window's corner to the box's, x, y",
    ),
    *(
        tensor
        for name, part in (("pixels", "the box"), ("core", "the ellipse in the box"))
        for tensor in (
            GraphTensor(
                f"{name}_used",
                "float32",
                f"({name}_down, {name}_across)",
                f"samples of {part} that are compared: 1, others 0",
            ),
            GraphTensor(
                f"{name}_grey", "float32", f"({name}_samples)", "these, zero mean and unit length"
            ),
            GraphTensor(
                f"{name}_steepest",
                "float32",
                f"(4, {name}_samples)",
                "their change for steps right, down, of turn and of size",
            ),
            GraphTensor(f"{name}_inverse", "float32", "(4, 4)", "of the products of these"),
        )
    ),
    GraphTensor("colours", "float32", "(16, 16)", "samples of the box that its colour is taken of"),
    GraphTensor("squares", "uint8", "(24, 20, 20, 3)", "the middle of the box at all turns, BGR"),
    GraphTensor(
        "picture",
        "float32",
        "(picture_height, picture_width, 3)",
        "`template` of compare.onnx, or black; only where the score counts what that says",
        compared=True,
    ),
)
"""The encoded template: what encode.onnx gives and find.onnx takes, by the same names."""

CONTRACTS: Mapping[str, GraphContract] = {
    "features": GraphContract(
        "Features of pictures: the layers of the network that are compared, and a coarse map.",
        (
            GraphTensor(
                "image",
                "uint8",
                "(batch, height, width, 3)",
                f"{IMAGE}; sides are multiples of the bundle's `align`",
            ),
        ),
        (
            GraphTensor(
                "tapN",
                "float32",
                "(batch, CN, height/strideN, width/strideN)",
                "raw features of a layer; cell i covers pixels [i strideN, (i + 1) strideN)",
            ),
            GraphTensor(
                "coarse",
                "float32",
                "(batch, C, height/2s, width/2s)",
                "all layers together, at twice the finest stride s",
            ),
        ),
    ),
    "match": GraphContract(
        "Quality of each cell of a picture for a template (equations 3 to 5 of the paper).",
        (ROWS, TARGET, SEARCH),
        (
            GraphTensor(
                "contested",
                "float32",
                "(map_height, map_width)",
                "quality in [0, 1], all rows compete",
            ),
            GraphTensor(
                "alone", "float32", "(map_height, map_width)", "the same, the own rows alone"
            ),
        ),
    ),
    "place": GraphContract(
        "How well a template fits at each shift of its window over a few cells.",
        (
            ROWS,
            TARGET,
            SEARCH,
            GraphTensor(
                "cells",
                "int64",
                "(own_rows, shifts)",
                "for each own row and each shift, the number of the cell at its place, row by row",
            ),
        ),
        (
            GraphTensor(
                "likelihood", "float32", "(shifts)", "mean log-likelihood of the pairs, at most 0"
            ),
            GraphTensor(
                "similarity",
                "float32",
                "(shifts)",
                "mean of alpha (cosine - 1) of the pairs, at most 0",
            ),
            GraphTensor(
                "likeness",
                "float32",
                "(shifts)",
                "mean cosine of these cells with the own row that they resemble most, in [-1, 1]",
            ),
            GraphTensor(
                "pairs",
                "float32",
                "(own_rows, map_height map_width)",
                "alpha (cosine - 1) plus the log-likelihood of each row and cell, at most 0",
            ),
        ),
    ),
    "joint": GraphContract(
        "A crop found in a picture by the windows of the coarse map; no score, no exact place.",
        (
            GraphTensor(
                "template",
                "uint8",
                "(1, template_height, template_width, 3)",
                f"{IMAGE}; the object",
            ),
            GraphTensor("image", "uint8", "(1, height, width, 3)", f"{IMAGE}; to be searched"),
        ),
        (
            GraphTensor("quality", "float32", "(height/2s, width/2s)", "as `contested`"),
            GraphTensor(
                "scores", "float32", "(16)", "of windows, best first; -1 where there is none"
            ),
            GraphTensor("boxes", "float32", "(16, 4)", "x, y, width, height in pixels of `image`"),
        ),
    ),
    "encode": GraphContract(
        "A template for find.onnx: an object in a frame, in a box.",
        (
            GraphTensor("image", "uint8", "(height, width, 3)", f"{IMAGE}; any size"),
            GraphTensor(
                "box",
                "float32",
                "(4)",
                "x, y, width, height in pixels of `image`; fractions count; it may stick out, "
                "but has to overlap the picture",
            ),
        ),
        ENCODED,
    ),
    "find": GraphContract(
        "The best place of a template in a picture: the default of Matcher.match in one graph.",
        (
            GraphTensor(
                "image",
                "uint8",
                "(height, width, 3)",
                f"{IMAGE}; any size from the template's own up",
            ),
            *ENCODED,
        ),
        (
            GraphTensor("box", "float32", "(4)", "x, y, width, height in pixels of `image`"),
            GraphTensor("score", "float32", "()", "probability that the box is right, in [0, 1]"),
            GraphTensor("found", "bool", "()", "whether the score reaches the bundle's threshold"),
            GraphTensor("scale", "float32", "()", "size relative to the template"),
            GraphTensor(
                "margin", "float32", "()", "how far the best other place is behind, in [0, 1]"
            ),
        ),
    ),
    "compare": GraphContract(
        "Whether registered pixels are the template's, by a trained network.",
        (
            GraphTensor(
                "template",
                "float32",
                "(1, picture_height, picture_width, 3)",
                "BGR, 0 to 255; width and height are 64x64, 88x48 or 128x32, whichever is nearest "
                "to the object's shape, turned where it stands",
            ),
            GraphTensor(
                "seen",
                "float32",
                "(1, picture_height, picture_width, 3)",
                "the same of what lies in the pose that was found",
            ),
            GraphTensor(
                "zooms",
                "float32",
                "(1, 2)",
                "natural logarithms of samples per pixel of the image, and of the template, before "
                "they were fitted to this size",
            ),
        ),
        (GraphTensor("odds", "float32", "(1)", "log-odds that both show the same object"),),
    ),
    "follow": GraphContract(
        "How a followed object's box really lies, by a trained network.",
        (
            GraphTensor(
                "maps",
                "float32",
                "(1, 16, 20, 20)",
                "evidence around the supposed box, row by row; the grid reaches 0.85 of its width "
                "and height from its middle",
            ),
            GraphTensor(
                "readings", "float32", "(1, K)", "K = 1: natural logarithm of width over height"
            ),
        ),
        (
            GraphTensor(
                "change",
                "float32",
                "(1, 4)",
                "of the middle, right and down, in the supposed width and height; natural "
                "logarithms of width and height over the supposed ones",
            ),
            GraphTensor(
                "doubt",
                "float32",
                "(1, 4)",
                "natural logarithm of how far each of these is off on average",
            ),
        ),
    ),
    "network, align": GraphContract(
        "Alignment of two pictures of a kind by a trained network.",
        (
            GraphTensor("source", "float32", "(1, C, 16, 16)", "raw features of the source"),
            GraphTensor("target", "float32", "(1, C, 16, 16)", "raw features of the target"),
            GraphTensor("usable", "float32", "(1, 16, 16)", "1 where a cell of the source counts"),
        ),
        (
            GraphTensor(
                "affine",
                "float32",
                "(1, 2, 3)",
                "source to target, in fractions of the pictures' sides",
            ),
            GraphTensor(
                "placed", "float32", "(1, 16, 2)", "where control points go, in the same fractions"
            ),
        ),
    ),
    "network, verify": GraphContract(
        "Whether two pictures show one place, by a trained network.",
        (
            GraphTensor("query", "float32", "(1, C, query_height, query_width)", "raw features"),
            GraphTensor("reference", "float32", "(1, C, map_height, map_width)", "raw features"),
        ),
        (
            GraphTensor("decision", "float32", "(1)", "log-odds that they show one place"),
            GraphTensor(
                "region", "float32", "(1, map_height, map_width)", "log-odds of each reference cell"
            ),
        ),
    ),
}
"""By role; the trained network's by its task too."""


def contract_of(role: str, inputs: Iterable[str]) -> GraphContract:
    """The contract of a graph.

    Args:
        role: in the bundle.
        inputs: names of the graph's inputs, which tell trained networks apart.

    Raises:
        ExportError: there is none for such a graph.
    """
    names = tuple(inputs)
    for key, contract in CONTRACTS.items():
        told = tuple(t.name for t in contract.inputs if not t.compared or t.name in names)
        if key.partition(",")[0] == role and names == told:
            return contract
    raise ExportError(f"no contract describes a {role} graph with the inputs {', '.join(names)}")


def annotate(model: onnx.ModelProto, role: str, precision: str) -> onnx.ModelProto:
    """Write the contract into a model, in place.

    Args:
        model: a graph of a bundle.
        role: of it.
        precision: of the network in it.

    Raises:
        ExportError: no contract describes it.
    """
    contract = contract_of(role, [tensor.name for tensor in model.graph.input])
    model.doc_string = contract.purpose
    for told, tensors in zip(contract[1:], (model.graph.input, model.graph.output), strict=True):
        known = {tensor.name: tensor for tensor in told}
        for tensor in tensors:
            entry = known.get(NUMBERED.sub(r"\1N", tensor.name))
            if entry is None:
                raise ExportError(f"no contract describes {tensor.name} of the {role} graph")
            tensor.doc_string = f"{entry.shape} {entry.dtype}: {entry.text}"
    about = {"qatm": __version__, "role": role, "precision": precision, "page": PAGE}
    onnx.helper.set_model_props(model, about)
    return model


def page_tables(role: str) -> str:
    """The tables of a graph on :data:`PAGE`."""
    contract = CONTRACTS[role]
    lines = [contract.purpose, ""]
    for title, tensors in (("input", contract.inputs), ("output", contract.outputs)):
        lines += [f"| {title} | type | shape | |", "|---|---|---|---|"]
        lines += [f"| `{t.name}` | {t.dtype} | `{t.shape}` | {t.text} |" for t in tensors]
        lines.append("")
    return "\n".join(lines).rstrip()
