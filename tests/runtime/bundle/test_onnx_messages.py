"""An ONNX file that two readers could read in two ways is refused."""

from __future__ import annotations

import time

import pytest
from onnx import ModelProto, TensorProto, helper
from protocol_buffers import part, varint

from qatm.runtime.bundle.onnx_file import onnx_contents


def file_of(*tensors: bytes, node: bytes = b"", more: bytes = b"") -> bytes:
    """A file with weights, an operator and whatever else in its graph."""
    weights = b"".join(part(5, tensor) for tensor in tensors)
    return part(7, weights + (part(1, node) if node else b"") + more)


WHOLE = b"\x08\x01\x10\x07" + part(8, b"d")
"""The beginning of a tensor of one whole number."""

MINUS_ONE = varint(2**64 - 1)
DIVIDE = part(1, b"x") + part(1, b"d") + part(2, b"y") + part(4, b"Div")


def test_numbers_of_tensors_have_signs() -> None:
    assert onnx_contents(file_of(WHOLE + part(7, varint(2)), node=DIVIDE)).problems == []
    for numbers in (part(7, MINUS_ONE), b"\x38" + MINUS_ONE, part(9, b"\xff" * 8)):
        (problem,) = onnx_contents(file_of(WHOLE + numbers, node=DIVIDE)).problems
        assert "what may be 0 or -1" in problem


@pytest.mark.parametrize(
    "tensor",
    [
        WHOLE + part(7, b"\xff" * 9 + b"\x7f"),
        WHOLE + part(7, b"\xff" * 10 + b"\x01"),
        b"\x08\x01\x10\xff\xff\xff\xff\x0f" + part(8, b"d"),
        b"\x10\x86\x80\x80\x80\x10" + part(8, b"d"),
    ],
    ids=["70 bits", "11 bytes", "32 bits and no sign", "33 bits"],
)
def test_numbers_of_too_many_bits(tensor: bytes) -> None:
    with pytest.raises(ValueError, match=r"more than \d\d bits|no protocol buffer"):
        onnx_contents(file_of(tensor, node=DIVIDE))


@pytest.mark.parametrize(
    "tensor",
    [
        WHOLE + part(9, (2).to_bytes(8, "little")) + part(9, b"\xff" * 136),
        WHOLE + part(8, b"u") + part(7, varint(2)),
        WHOLE + part(2, b""),
        WHOLE + b"\x10\x08",
        WHOLE + b"\x45abcd",
        WHOLE + part(8, b"\xff"),
        WHOLE + part(3, b""),
        WHOLE + b"\xc0\x00\x01",
        WHOLE + b"\x13\x14",
        WHOLE + part(7, varint(2)) + part(9, bytes(8)),
        WHOLE + part(5, varint(2)),
        b"\x08\x01" + part(8, b"d"),
    ],
    ids=[
        *("raw twice", "name twice", "type of bytes", "type twice", "name of another type"),
        *("no text", "unknown", "long key", "group", "both ways", "another field", "no type"),
    ],
)
def test_tensors_that_can_be_read_in_two_ways(tensor: bytes) -> None:
    with pytest.raises(ValueError, match=r"known|twice|another|no text|type|protocol buffer"):
        onnx_contents(file_of(tensor))


@pytest.mark.parametrize(
    "node",
    [
        part(1, b"d") + part(2, b"y") + part(4, b"Shape") + part(4, b"Identity"),
        DIVIDE + part(20, b""),
        DIVIDE + part(5, part(1, b"i") + b"\x18\x01"),
        DIVIDE + part(5, part(1, b"i") + b"\xa0\x01\x02" + b"\x18\x01\x18\x02"),
        DIVIDE + part(5, part(1, b"i") + b"\xa0\x01\x02" + part(8, b"\x01")),
        DIVIDE + part(5, part(1, b"i") + b"\xa0\x01\x02") * 2,
    ],
    ids=["kind twice", "unknown", "no type", "number twice", "of two types", "name twice"],
)
def test_operators_that_can_be_read_in_two_ways(node: bytes) -> None:
    with pytest.raises(ValueError, match=r"known|twice|type"):
        onnx_contents(file_of(node=node))


def elsewhere(*entries: bytes, place: bytes = b"\x70\x01") -> bytes:
    """Weights in another file."""
    return b"\x08\x04\x10\x01" + part(8, b"w") + b"".join(part(13, e) for e in entries) + place


AT = part(1, b"location") + part(2, b"w.bin")


def test_where_weights_are_is_said_once() -> None:
    assert onnx_contents(file_of(elsewhere(AT))).external == ["w.bin"]
    for tensor in (
        elsewhere(part(1, b"location") + b"\x08\x00" + part(2, b"hidden.bin")),
        elsewhere(AT, part(1, b"location") + part(2, b"hidden.bin")),
        elsewhere(AT, part(1, b"Location") + part(2, b"hidden.bin")),
        elsewhere(part(1, b"location") + part(2, b"w\xff.bin")),
        elsewhere(AT, place=b""),
        elsewhere(AT, place=b"\x70\x02"),
        elsewhere(AT) + part(9, bytes(16)),
    ):
        with pytest.raises(ValueError, match=r"twice|text|elsewhere|another"):
            onnx_contents(file_of(tensor))
    honest = elsewhere(AT)
    silent = elsewhere(part(1, b"length") + part(2, b"16")).replace(part(8, b"w"), part(8, b"v"))
    (problem,) = onnx_contents(file_of(honest, silent)).problems
    assert "does not say where" in problem


@pytest.mark.parametrize("content", [b"\x0a\x00", b"\x6a\x00", b"\x82\x01\x00", b"\x5a\x00"])
def test_files_of_very_many_fields_are_refused_soon(content: bytes) -> None:
    start = time.process_time()
    with pytest.raises(ValueError, match=r"more than 524,288 fields|attribute|no name"):
        onnx_contents(file_of(more=content * 3_000_000))
    assert time.process_time() - start < 6


def test_texts_that_say_their_type_twice() -> None:
    texts = b"\x08\x01\x10\x08" + part(8, b"t") + part(6, b"x") + part(2, b"")
    with pytest.raises(ValueError, match="field 2, which comes twice"):
        onnx_contents(file_of(texts))


def test_what_the_format_also_allows() -> None:
    model = ModelProto()
    weights = helper.make_tensor("w", TensorProto.INT32, [3], [1, -2, 3])
    model.graph.initializer.append(weights)
    model.graph.node.append(helper.make_node("Transpose", ["w"], ["y"], perm=[0]))
    data = model.SerializeToString()
    assert onnx_contents(data).problems == []
    packed = part(5, part(1, b"perm") + b"\xa0\x01\x07" + part(8, b"\x00"))
    node = part(1, b"x") + part(2, b"y") + part(4, b"Transpose") + packed
    assert onnx_contents(file_of(node=node)).problems == []
