"""What the graphs of a bundle compute, whichever version of qatm wrote them.

Bundles of earlier versions have other outputs: all layers at the finest stride in one map, and a
matching graph that gives one quality a run. Here is the only place that knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..bundle.folder import Bundle
from ..bundle.manifest import COMPARE_ROLE, FOLLOW_ROLE, NETWORK_ROLE
from ..bundle.recipes import CONTROL
from ..errors import BundleError
from ..kinds import Bound
from .descriptions import (
    LARGEST,
    Range,
    Shape,
    check_arrays,
    check_inputs,
    check_outputs,
    expected_features,
)
from .graph import Backend, Graph

Array = NDArray[Any]

WINDOW = np.ones(2, np.int64)
"""An older matching graph's own candidates are not used, so any window will do."""

WHOLE_MAP = "features"
"""Output of older features graphs: all layers at the finest stride, in the place of the taps."""

ONE_QUALITY = "quality"
"""Output of older matching graphs, in the place of two."""

BOX_OUTPUTS = ("change", "doubt")
"""What the network that reads followed boxes gives."""

COMPARISON_OUTPUTS = ("odds",)
"""What the network that compares pixels gives."""

QUALITY: Bound[Range] = (-0.01, 1.01)
"""Of a quality, which a device may round."""

LOGARITHM: Bound[Range] = (-LARGEST, 1.0)
"""Of what is at most 0; powers of it are taken."""

LIKENESS: Bound[Range] = (-1.01, 1.01)

PLACE = "place"
"""Role of the graph that places templates; older bundles lack it."""


class Features(NamedTuple):
    """What the features graph makes of an image, float32.

    Attributes:
        taps: ``(C, H/s, W/s)`` of each layer at its own stride, none finer than the bundle's.
        coarse: ``(C, H/2s, W/2s)``, 2x2 means of all layers at the bundle's stride ``s``.
    """

    taps: tuple[Array, ...]
    coarse: Array


class Qualities(NamedTuple):
    """Quality of each cell, ``(H, W)`` float32 in [0, 1] (paper, equation 5).

    Attributes:
        contested: with competitors in the softmax over the template.
        alone: without them.
    """

    contested: Array
    alone: Array


class WindowFit(NamedTuple):
    """How well a template fits at each shift of its window, three ways, ``(H', W')`` float32, and
    each of its patches with each cell.

    Attributes:
        likelihood: mean of ``log L(t|s)`` (paper, equation 3) over the pairs of a patch t and the
            cell s at its place, at most 0. A cell that resembles many patches, or a competitor,
            says little about the place; plain similarity would count it in full.
        similarity: mean of ``alpha * (cosine - 1)`` over the same pairs, at most 0.
        likeness: mean over the window's cells of the cosine with the most similar patch, wherever
            in the template it belongs, in [-1, 1].
        pairs: ``(K, H, W)`` float32, of each patch of the template and each cell, the similarity as
            above plus the likelihood, at most 0.
    """

    likelihood: Array
    similarity: Array
    likeness: Array
    pairs: Array


class FeatureRunner:
    """The features graph.

    Args:
        backend: runs it.
        bundle: says what its outputs are.

    Attributes:
        tap_steps: how many cells of the finest map one cell of each of the taps covers.
    """

    def __init__(self, backend: Backend, bundle: Bundle) -> None:
        self._graph = backend.graph("features")
        self._backbone = backbone = bundle.spec.backbone
        self._name = bundle.graph_name("features", backend.precision)
        check_inputs(bundle, "features", {"image": ("uint8", (None, None, None, 3))})
        if WHOLE_MAP in bundle.output_names("features"):
            self.tap_steps: tuple[int, ...] = (1,)
            taps = (WHOLE_MAP,)
        else:
            self.tap_steps = tuple(max(1, t.stride // backbone.stride) for t in backbone.layers)
            taps = tuple(f"tap{i}" for i in range(len(self.tap_steps)))
        self._outputs = (*taps, "coarse")
        self._whole = taps == (WHOLE_MAP,)
        check_outputs(bundle, "features", self._outputs)

    def encode(self, images: Array) -> list[Features]:
        """Encode a batch ``(B, H, W, 3)`` uint8 BGR.

        Raises:
            DeviceError: a size that the engine was not built for, or the device failed.
            BundleError: the graph gives something else than the bundle describes.
        """
        *taps, coarse = maps = self._graph.run({"image": images}, self._outputs)
        shapes = expected_features(self._backbone, self.tap_steps, images.shape, self._whole)
        check_arrays(maps, shapes, self._name)
        return [Features(tuple(tap[i] for tap in taps), coarse[i]) for i in range(len(images))]

    def encode_in_runs(self, images: Sequence[Array], most: int) -> list[Features]:
        """Encode images of one size, so many at once as have ``most`` pixels together.

        Raises: as :meth:`encode`.
        """
        if not images:
            return []
        height, width = images[0].shape[:2]
        count = max(1, min(most // (height * width), len(images)))
        while count > 1 and not self.admits(count, height, width):
            count //= 2
        starts = range(0, len(images), count)
        # A single image, as most runs have, needs no copy.
        one = count == 1
        parts = (
            np.ascontiguousarray(images[i])[None] if one else np.stack(images[i : i + count])
            for i in starts
        )
        return [features for part in parts for features in self.encode(part)]

    def admits(self, count: int, height: int, width: int) -> bool:
        """Whether the graph takes so many images of this size at once."""
        return self._graph.admits(image=(count, height, width, 3))


class QualityRunner:
    """The matching graph, opened when it is used first: not every task does.

    Args:
        backend: runs it.
        bundle: says what its outputs are.
    """

    def __init__(self, backend: Backend, bundle: Bundle) -> None:
        self._backend = backend
        self._old = ONE_QUALITY in bundle.output_names("match")
        self._channels = channels = bundle.spec.backbone.channels
        self._name = bundle.graph_name("match", "fp32")
        check_inputs(bundle, "match", _pair_inputs(channels))
        check_outputs(bundle, "match", (ONE_QUALITY,) if self._old else Qualities._fields)

    def run(
        self, rows: Array, target: Array, search: Array, *, one_thread: bool = False
    ) -> Qualities:
        """See ``Session.quality``."""
        graph = self._backend.graph("match", one_thread=one_thread)
        inputs = {"template": rows, "target": target, "search": search}
        shape = search.shape[1:]
        if not self._old:
            both = graph.run(inputs, Qualities._fields)
            check_arrays(both, (shape, shape), self._name, [QUALITY] * 2)
            return Qualities(*both)
        contested = graph.run(inputs | {"window": WINDOW}, (ONE_QUALITY,))[0]
        check_arrays([contested], [shape], self._name, [QUALITY])
        if target.all():
            return Qualities(contested, contested)
        own = target > 0
        inputs |= {"template": rows[own], "target": target[own], "window": WINDOW}
        alone = graph.run(inputs, (ONE_QUALITY,))[0]
        check_arrays([alone], [shape], self._name, [QUALITY])
        return Qualities(contested, alone)

    def admits(self, rows: int, height: int, width: int) -> bool:
        """Whether the graph takes so many rows and a map of this size."""
        return self._backend.graph("match").admits(
            template=(rows, self._channels),
            target=(rows,),
            search=(self._channels, height, width),
        )


class PlaceRunner:
    """The graph that places templates, opened when it is used first.

    Engines are built for the graphs that see whole images only, and older bundles have none.

    Args:
        backend: runs it.
        bundle: may have it.
    """

    def __init__(self, backend: Backend, bundle: Bundle) -> None:
        self._backend = backend
        outputs = bundle.output_names(PLACE) if bundle.precisions(PLACE) else ()
        built = backend.device.startswith("tensorrt")
        self._present = not built and set(WindowFit._fields) <= set(outputs)
        if self._present:
            self._name = bundle.graph_name(PLACE, "fp32")
            cells = {"cells": ("int64", (None, None))}
            check_inputs(bundle, PLACE, _pair_inputs(bundle.spec.backbone.channels) | cells)

    def run(self, rows: Array, target: Array, search: Array, cells: Array) -> WindowFit | None:
        """See ``Session.fit``."""
        if not self._present:
            return None
        inputs = {"template": rows, "target": target, "search": search, "cells": cells}
        fit = self._backend.graph(PLACE).run(inputs, WindowFit._fields)
        own, shifts = cells.shape
        shapes = [*[(shifts,)] * (len(fit) - 1), (own, search[0].size)]
        ranges = [LOGARITHM, LOGARITHM, LIKENESS, LOGARITHM]
        check_arrays(fit, shapes, self._name, ranges)
        return WindowFit(*fit)


class NetworkGraph:
    """The trained network of a bundle, whose answers are checked; a :class:`.graph.Graph`.

    Args:
        graph: runs it.
        bundle: describes it.
        task: ``align`` or ``verify``.

    Raises:
        BundleError: the graph takes something else than such a network.
    """

    def __init__(self, graph: Graph, bundle: Bundle, task: str) -> None:
        self._graph = graph
        self._task = task
        self._name = bundle.graph_name(NETWORK_ROLE, "fp32")
        channels = bundle.spec.backbone.channels
        names = ("source", "target") if task == "align" else ("query", "reference")
        maps: Shape = (1, channels, None, None)
        check_inputs(bundle, NETWORK_ROLE, dict.fromkeys(names, ("float32", maps)))

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None) -> list[Array]:
        """See :meth:`.graph.Graph.run`.

        Raises:
            BundleError: the graph gives something else than such a network.
            DeviceError: a shape that the graph was not built for, or the device failed.
        """
        answers = self._graph.run(inputs, outputs)
        shapes: list[Shape] = [(1, 2, 3), (1, CONTROL**2, 2)]
        if self._task != "align":
            shapes = [(1,), (1, *inputs["reference"].shape[2:])]
        if outputs is None and len(answers) != len(shapes):
            raise BundleError(
                f"{self._name} gave {len(answers)} arrays, not {len(shapes)}; export it again"
            )
        if outputs is None:
            check_arrays(answers, shapes, self._name)
        return answers

    def admits(self, **shapes: tuple[int, ...]) -> bool:
        """See :meth:`.graph.Graph.admits`."""
        return self._graph.admits(**shapes)

    def close(self) -> None:
        """See :meth:`.graph.Graph.close`."""
        self._graph.close()


class BoxGraph:
    """The network of a bundle that reads how a followed object's box lies; its answers are checked.

    Args:
        graph: runs it.
        bundle: describes it.
        shapes: of its inputs, which are float32.

    Raises:
        BundleError: the graph takes or gives something else than such a network.
    """

    def __init__(self, graph: Graph, bundle: Bundle, shapes: Mapping[str, Shape]) -> None:
        self._graph = graph
        self._name = bundle.graph_name(FOLLOW_ROLE, "fp32")
        wanted = {name: ("float32", shape) for name, shape in shapes.items()}
        check_inputs(bundle, FOLLOW_ROLE, wanted)
        check_outputs(bundle, FOLLOW_ROLE, BOX_OUTPUTS)

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """How the box differs from the supposed one, and the doubt: ``(1, 4)`` float32 each.

        Raises:
            BundleError: the graph gives something else than such a network.
            DeviceError: a shape that the graph was not built for, or the device failed.
        """
        answers = self._graph.run(inputs, BOX_OUTPUTS)
        check_arrays(answers, [(1, 4)] * len(BOX_OUTPUTS), self._name)
        return answers


class ComparisonGraph:
    """The network of a bundle that compares registered pixels; its answers are checked.

    Args:
        graph: runs it.
        bundle: describes it.

    Raises:
        BundleError: the graph takes or gives something else than such a network.
    """

    def __init__(self, graph: Graph, bundle: Bundle) -> None:
        self._graph = graph
        self._name = bundle.graph_name(COMPARE_ROLE, "fp32")
        picture: Shape = (1, None, None, 3)
        wanted = dict.fromkeys(("template", "seen"), ("float32", picture))
        check_inputs(bundle, COMPARE_ROLE, wanted | {"zooms": ("float32", (1, 2))})
        check_outputs(bundle, COMPARE_ROLE, COMPARISON_OUTPUTS)

    def run(self, inputs: Mapping[str, Array]) -> float:
        """Log-odds that two pictures show the same object.

        Raises:
            BundleError: the graph gives something else than such a network.
            DeviceError: a shape that the graph was not built for, or the device failed.
        """
        answers = self._graph.run(inputs, COMPARISON_OUTPUTS)
        check_arrays(answers, [(1,)], self._name)
        return float(answers[0][0])


def _pair_inputs(channels: int) -> dict[str, tuple[str, Shape]]:
    """What a graph takes that compares a template with a map."""
    return {
        "template": ("float32", (None, channels)),
        "target": ("float32", (None,)),
        "search": ("float32", (channels, None, None)),
    }
