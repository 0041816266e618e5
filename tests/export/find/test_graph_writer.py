"""Graphs that are written node by node compute what numpy does."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper
from written_graphs import given_by

from qatm.export.find.graph_writer import GraphWriter
from qatm.export.find.values import FLOAT, INTEGER, TRUTH, TYPES

LINE = np.array([3.0, -1.5, 2.0, 7.5], np.float32)


def test_operators_are_those_of_numpy():
    whole = np.array([7, -7, 5], np.int64)
    found = given_by(
        lambda x, n: [
            (2.0 - x) / 4.0 + x * x,
            -x,
            x > 2.0,
            ~(x >= 2.0) | x.equals(7.5),
            n / 2,
            x.clip(-1.0, 3.0),
            x.at(2),
            x.at([3, 0]),
            x.cut(1, 3),
            x.max() - x.min() + x.mean() + x.sum(),
        ],
        x=LINE,
        n=whole,
    )
    np.testing.assert_allclose(found[0], (2 - LINE) / 4 + LINE * LINE)
    np.testing.assert_array_equal(found[1], -LINE)
    np.testing.assert_array_equal(found[2], LINE > 2)
    np.testing.assert_array_equal(found[3], [False, True, False, True])
    np.testing.assert_array_equal(found[4], [3, -3, 2])
    np.testing.assert_array_equal(found[5], LINE.clip(-1, 3))
    assert found[6] == 2.0
    np.testing.assert_array_equal(found[7], [7.5, 3.0])
    np.testing.assert_array_equal(found[8], [-1.5, 2.0])
    assert found[9] == pytest.approx(7.5 + 1.5 + 2.75 + 11)


def test_functions_are_those_of_numpy():
    found = given_by(
        lambda x: [
            x.writer.round(x * 0.5),
            x.writer.floor(x),
            x.writer.ceil(x),
            x.writer.where(x > 0.0, x, 0.0),
            x.writer.least(x, 2.5),
            x.writer.argmax(x),
            x.writer.range(2, x.side(0) + 1),
            x.writer.filled(1.5, 2, x.side(0)),
            x.writer.hypot(x, x * 0.0 + 4.0),
        ],
        x=LINE,
    )
    # Half a step goes to the even number, as in Python.
    np.testing.assert_array_equal(found[0], [2, -1, 1, 4])
    np.testing.assert_array_equal(found[1], [3, -2, 2, 7])
    np.testing.assert_array_equal(found[2], [3, -1, 2, 8])
    np.testing.assert_array_equal(found[3], [3, 0, 2, 7.5])
    np.testing.assert_array_equal(found[4], [2.5, -1.5, 2, 2.5])
    assert found[5] == 3
    np.testing.assert_array_equal(found[6], [2, 3, 4])
    np.testing.assert_array_equal(found[7], np.full((2, 4), 1.5, np.float32))
    assert found[8][0] == pytest.approx(5)


@pytest.mark.parametrize(("limit", "steps"), [(20.0, 4), (0.5, 1), (1e9, 10)])
def test_a_loop_ends_by_its_condition_or_its_count(limit, steps):
    def double(limit):
        writer = limit.writer

        def body(number, total):
            total = total * 2.0
            return total < limit, [total], [number.float()]

        return writer.loop(10, True, [writer.value(1.25)], body, 1)

    total, numbers = given_by(double, limit=np.array(limit, np.float32))
    assert total == 1.25 * 2**steps
    np.testing.assert_array_equal(numbers, np.arange(steps))


def test_a_loop_that_does_not_begin_leaves_its_state():
    def never(x):
        def body(number, total):
            return number < 5, [total + 1.0], []

        return x.writer.loop(5, x > 0.0, [x], body)

    assert given_by(never, x=np.array(-1.0, np.float32))[0] == -1.0
    assert given_by(never, x=np.array(1.0, np.float32))[0] == 6.0


@pytest.mark.parametrize(("x", "expected"), [(3.0, 9.0), (-3.0, 3.0)])
def test_a_choice_inside_a_loop_sees_what_is_around_it(x, expected):
    def write(x):
        writer = x.writer
        square = x * x

        def body(number, total):
            chosen = writer.choose(x > 0.0, lambda: [square], lambda: [-x])[0]
            return number < 0, [total + chosen], []

        return writer.loop(3, True, [writer.value(0.0)], body)

    assert given_by(write, x=np.array(x, np.float32))[0] == expected


def test_another_graph_is_inserted_with_its_constants_once():
    weight = helper.make_tensor("weight", TYPES[FLOAT], [2], [2.0, 3.0])
    nodes = [
        helper.make_node("Neg", ["weight"], ["negative"]),
        helper.make_node("Mul", ["x", "negative"], ["y"]),
    ]
    sides = [helper.make_tensor_value_info(name, TYPES[FLOAT], [2]) for name in "xy"]
    graph = helper.make_graph(nodes, "inner", sides[:1], sides[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    writer = GraphWriter()
    x = writer.input("x", FLOAT, [2])
    first = writer.insert(model, {"x": x})["y"]

    def body(number, total):
        return number < 0, [writer.insert(model, {"x": total})["y"]], []

    (second,) = writer.loop(1, True, [first], body)
    made = writer.model("outer", {"first": (first, [2]), "second": (second, [2])}, 20, 10)
    onnx.checker.check_model(made, full_check=True)
    weights = [tensor for tensor in made.graph.initializer if list(tensor.dims) == [2]]
    assert len(weights) == 1
    assert [node.op_type for node in made.graph.node].count("Neg") == 1
    names = [node.name for node in made.graph.node]
    assert len(set(names)) == len(names)
    assert all(names)
    import onnxruntime as ort

    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    given = session.run(None, {"x": np.array([1, -1], np.float32)})
    np.testing.assert_array_equal(given, [[-2, 3], [4, -9]])


def test_constants_of_one_value_are_one():
    writer = GraphWriter()
    same = [
        writer.value(2.0),
        writer.value(2.0),
        writer.value(2, INTEGER),
        writer.value(True, TRUTH),
    ]
    assert same[0].name == same[1].name
    assert len({value.name for value in same}) == 3
