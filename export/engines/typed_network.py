"""What precision a parsed network has, and the rewriting that Turing needs."""

from __future__ import annotations

from typing import Any

from ...runtime.errors import ExportError

ARITHMETIC = ("convolution", "deconvolution", "matrix_multiply")
COUNTED = (*ARITHMETIC, "reduce")
"""Kinds of layers whose input dtypes are reported; the first ones decide an engine's precision."""

PRODUCTS = ("MatMul", "Gemm")
"""Kinds of ONNX nodes that multiply matrices."""

DTYPES = {"FLOAT": "float32", "HALF": "float16", "INT8": "int8", "BF16": "bfloat16"}


def count_layers(trt: Any, network: Any) -> dict[str, dict[str, int]]:
    """Count layers by kind and by the dtype they compute with.

    A layer behind dequantisation computes with what was quantised, although the graph's tensor
    between the two is a float.

    Args:
        trt: the flavour's module.
        network: a parsed, strongly typed network.

    Returns:
        For example ``{"convolution": {"int8": 30, "float32": 2}}``.
    """
    layers = [network.get_layer(i) for i in range(network.num_layers)]
    makers = {layer.get_output(i).name: layer for layer in layers for i in range(layer.num_outputs)}
    counts: dict[str, dict[str, int]] = {}
    for layer in layers:
        kind = layer.type.name.lower()
        if kind in COUNTED:
            dtype = _computes_with(trt, layer, makers)
            of_kind = counts.setdefault(kind, {})
            of_kind[dtype] = of_kind.get(dtype, 0) + 1
    return counts


def found_precision(layers: dict[str, dict[str, int]]) -> str:
    """``int8``, ``fp16`` or ``fp32``: the lowest precision that convolutions or products have."""
    found = {dtype for kind in ARITHMETIC for dtype in layers.get(kind, {})}
    if "int8" in found:
        return "int8"
    return "fp16" if found & {"float16", "bfloat16"} else "fp32"


def _computes_with(trt: Any, layer: Any, makers: dict[str, Any]) -> str:
    """The dtype a layer computes with; int8 only if every tensor operand was quantised."""
    operands = [layer.get_input(i) for i in range(layer.num_inputs)]
    operands = [tensor for tensor in operands if tensor is not None]
    if operands and all(_is_int8(trt, tensor, makers) for tensor in operands[:2]):
        return "int8"
    name = str(operands[0].dtype.name)
    return DTYPES.get(name, name.lower())


def _is_int8(trt: Any, tensor: Any, makers: dict[str, Any]) -> bool:
    """Whether a tensor is int8, or was until its dequantisation."""
    if tensor.dtype == trt.DataType.INT8:
        return True
    maker = makers.get(tensor.name)
    if maker is None or maker.type != trt.LayerType.DEQUANTIZE:
        return False
    source = maker.get_input(0)
    return source is not None and source.dtype == trt.DataType.INT8


def without_float_products(model: bytes) -> bytes:
    """Write each FP32 matrix product of an ONNX model as products and a sum.

    TensorRT-RTX has no FP32 matrix product for Turing, neither ``MatMul`` nor ``Gemm``. Its
    compiler fuses the two operations into one loop, so the products are never stored. Operands must
    have at least two dimensions each.

    Raises:
        ExportError: the ``onnx`` package is missing, or a ``Gemm`` has factors.
    """
    try:
        import onnx
        from onnx import TensorProto, helper, shape_inference
    except ModuleNotFoundError as error:
        raise ExportError(
            'engines for SM 75 need the onnx package: pip install "qatm[export]"'
        ) from error

    parsed = onnx.load_from_string(model)
    if all(node.op_type not in PRODUCTS for node in parsed.graph.node):
        return model
    graph = shape_inference.infer_shapes(parsed).graph
    values = {value.name: value.type.tensor_type for value in (*graph.value_info, *graph.output)}
    nodes: list[Any] = []
    for node in parsed.graph.node:
        product = values.get(node.output[0]) if node.op_type in PRODUCTS else None
        if product is None or product.elem_type != TensorProto.FLOAT:
            nodes.append(node)
        else:
            nodes += _spelt_out(helper, node)
    del parsed.graph.node[:]
    parsed.graph.node.extend(nodes)
    for name, axis in (("axis_last", -1), ("axis_rows", -3), ("axis_inner", -2)):
        parsed.graph.initializer.append(helper.make_tensor(name, TensorProto.INT64, [1], [axis]))
    return parsed.SerializeToString()


def _spelt_out(helper: Any, node: Any) -> list[Any]:
    """A matrix product as a product of all pairs and a sum; of ``Gemm`` with what it adds to it."""
    stem, output, nodes = node.output[0], node.output[0], list[Any]()
    how = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    left, right, *summand = node.input
    operands = [left, right]
    for side, flag in enumerate(("transA", "transB")):
        if how.get(flag, 0):
            turned = f"{stem}_{flag}"
            nodes.append(helper.make_node("Transpose", [operands[side]], [turned], perm=[1, 0]))
            operands[side] = turned
    added = "".join(summand)
    if how.get("alpha", 1.0) != 1.0 or (added and how.get("beta", 1.0) != 1.0):
        raise ExportError(f"{stem}: a Gemm with factors cannot be built for SM 75; leave SM 75 out")
    total = f"{stem}_total" if added else output
    nodes += [
        helper.make_node("Unsqueeze", [operands[0], "axis_last"], [f"{stem}_left"]),
        helper.make_node("Unsqueeze", [operands[1], "axis_rows"], [f"{stem}_right"]),
        helper.make_node("Mul", [f"{stem}_left", f"{stem}_right"], [f"{stem}_products"]),
        helper.make_node("ReduceSum", [f"{stem}_products", "axis_inner"], [total], keepdims=0),
    ]
    if added:
        nodes.append(helper.make_node("Add", [total, added], [output]))
    return nodes
