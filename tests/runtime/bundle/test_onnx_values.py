"""Which divisions of a graph are proven harmless before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from qatm.runtime.bundle.onnx_file import onnx_contents

SAID = "divides whole numbers by what may be 0 or -1"
node = helper.make_node


def problems(
    nodes: Sequence[onnx.NodeProto], given: dict[str, int], constants: dict[str, Any]
) -> str:
    """What is wrong with a graph of some operators, inputs of some types and constants."""
    inputs = [helper.make_tensor_value_info(name, kind, ["n"]) for name, kind in given.items()]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    weights = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph(list(nodes), "g", inputs, [output], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    return "; ".join(onnx_contents(model.SerializeToString()).problems)


def divided(
    *before: onnx.NodeProto, by: str = "d", kind: int = TensorProto.INT64, **constants: Any
) -> str:
    """What is wrong with ``x`` or, if there is something before, ``z`` that is divided."""
    name = "z" if any("z" in each.output for each in before) else "x"
    results = {
        divide: problems([*before, node(divide, [name, by], ["y"])], {"x": kind}, constants)
        for divide in ("Div", "Mod")
    }
    assert results["Div"] == results["Mod"]
    return results["Div"]


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_what_whole_numbers_are_divided_by(dtype: type) -> None:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    assert divided(kind=kind, d=np.array([2, 3], dtype)) == ""
    for wrong in ([2, -1], [2, 0], [-(2**31)], [2] * 40):
        assert divided(kind=kind, d=np.array(wrong, dtype)) == SAID
    assert divided(kind=kind) == SAID, "of which nothing is known"
    raw = numpy_helper.from_array(np.array([-1], dtype), "other")
    assert divided(node("Constant", [], ["d"], value=raw), kind=kind) == SAID


def test_constants_however_they_are_written() -> None:
    for value, said in ((-1, SAID), (0, SAID), (2, "")):
        assert divided(node("Constant", [], ["d"], value_int=value)) == said
        assert divided(node("Constant", [], ["d"], value_ints=[3, value])) == said
        unpacked = helper.make_tensor("t", TensorProto.INT64, [1], [value])
        assert divided(node("Constant", [], ["d"], value=unpacked)) == said
    with pytest.raises(ValueError, match="no value, or several"):
        divided(node("Constant", [], ["d"], value_int=2, value_ints=[-1]))


@pytest.mark.parametrize(
    ("before", "whole"),
    [
        ([node("Identity", ["x"], ["z"])], False),
        ([node("Shape", ["x"], ["z"])], True),
        ([node("Cast", ["x"], ["z"], to=TensorProto.INT32)], True),
        ([node("Cast", ["x"], ["z"], to=TensorProto.FLOAT16)], False),
        ([node("TopK", ["x", "k"], ["v", "z"])], True),
        ([node("TopK", ["x", "k"], ["z", "i"])], False),
        ([node("MaxPool", ["x"], ["v", "z"])], True),
        ([node("Split", ["x", "k"], ["v", "z"])], False),
        ([node("Where", ["m", "x", "x"], ["z"])], False),
        ([node("Where", ["x", "m", "m"], ["z"])], True),
        ([node("Gather", ["x", "k"], ["z"])], False),
        ([node("Gather", ["k", "x"], ["z"])], True),
        ([node("Add", ["m", "x"], ["z"])], False),
        ([node("Pow", ["m", "x"], ["z"])], True),
        ([node("Pow", ["x", "m"], ["z"])], False),
        ([node("Sqrt", ["m"], ["z"])], False),
        ([node("Conv", ["m", "m"], ["z"])], False),
        ([node("ArgMax", ["x"], ["z"])], True),
        ([node("Constant", [], ["z"], value_int=4)], True),
        ([node("Constant", [], ["z"], value_float=4.0)], False),
        ([node("ConstantOfShape", ["k"], ["z"])], False),
        ([node("Neg", ["m"], ["a"]), node("Mul", ["a", "a"], ["z"])], True),
        ([node("Exp", ["m"], ["a"]), node("Mul", ["a", "m"], ["z"])], False),
    ],
)
def test_what_is_proven_to_be_floating(before: list[onnx.NodeProto], whole: bool) -> None:
    assert divided(*before, kind=TensorProto.FLOAT) == (SAID if whole else "")


def test_types_that_a_file_notes_prove_nothing() -> None:
    nodes = [node("Neg", ["m"], ["z"]), node("Div", ["z", "d"], ["y"])]
    graph = helper.make_graph(nodes, "g", [], [])
    graph.value_info.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n"]))
    data = helper.make_model(graph).SerializeToString()
    assert onnx_contents(data).problems == [SAID]


def test_a_tensor_of_another_operator_proves_nothing() -> None:
    halves = numpy_helper.from_array(np.array([1.0], np.float16), "z")
    filled = node("ConstantOfShape", ["k"], ["a"], value=halves)
    assert divided(filled, node("Neg", ["m"], ["z"])) == SAID


def places(*kinds: str, of: str = "x", **cast: int) -> str:
    """What is wrong with numbers divided by a side of an array that went through operators."""
    nodes, name = [node("Shape", [of], ["s"])], "s"
    for number, kind in enumerate(kinds):
        more: dict[str, Any] = {"to": TensorProto.INT64} | cast if kind == "Cast" else {}
        inputs = [name, "i"] if kind == "Gather" else [name]
        nodes.append(node(kind, inputs, [f"s{number}"], **more))
        name = f"s{number}"
    nodes += [node("Shape", ["x"], ["z"]), node("Identity", [name], ["d"])]
    return divided(*nodes, i=np.array([0]))


def test_places_are_divided_by_sides() -> None:
    assert places() == ""
    assert places("Gather", "Squeeze", "Cast", "Unsqueeze", "Reshape") == ""
    assert places("Gather", "Neg") == SAID
    assert places("Cast", to=TensorProto.INT8) == SAID, "255 is -1 there"
    assert places(of="m") == SAID, "it may have no values"


def test_the_larger_of_two_is_above_zero_if_one_is() -> None:
    one = np.array(1)
    assert divided(node("Max", ["x", "one"], ["d"]), one=one) == ""
    assert divided(node("Max", ["x", "x"], ["d"]), one=one) == SAID
    assert divided(node("Concat", ["one", "x"], ["d"]), one=one) == SAID
    assert divided(node("Concat", ["one", "one"], ["d"]), one=one) == ""


@pytest.mark.parametrize(
    ("kind", "more", "full"),
    [
        ("Relu", {}, True),
        ("Slice", {}, False),
        ("Resize", {}, False),
        ("MaxPool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, True),
        ("MaxPool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 0]}, False),
        ("MaxPool", {"kernel_shape": [3], "pads": [1, 1], "dilations": [2]}, False),
        ("MaxPool", {"kernel_shape": [3], "pads": [1, 1], "auto_pad": "VALID"}, False),
        ("MaxPool", {"kernel_shape": [3], "pads": [1, 1], "auto_pad": "NOTSET"}, True),
        ("AveragePool", {"kernel_shape": [2, 2]}, False),
    ],
)
def test_what_may_be_empty(kind: str, more: dict[str, Any], full: bool) -> None:
    nodes = [
        node(kind, ["x"], ["a"], **more),
        node("InstanceNormalization", ["a", "s", "s"], ["y"]),
    ]
    said = problems(nodes, {"x": TensorProto.FLOAT}, {"s": np.ones(4, np.float32)})
    assert said == ("" if full else "has operator InstanceNormalization with what may be empty")
