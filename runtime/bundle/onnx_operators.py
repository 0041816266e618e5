"""The operators of ONNX that graphs of a bundle may have, and what is known of them.

A graph comes from whoever made the bundle, and some operators run without end, take memory that no
limit counts, or end the process where the library does not check what it is given. So a bundle may
only have those that networks for pictures are made of, and each is here because somebody looked at
what it does with odd numbers, with empty arrays and with large ones. Left out for a reason, though
networks have them: ``Einsum``, ``OneHot`` and ``LpNormalization``, which divide by 0 where an array
is empty; ``Trilu``, which writes anywhere if it is told a large number; and ``NonZero``, which
takes eight bytes of no arena for each place that it finds (our own proofs have it).
"""

from __future__ import annotations

from ..kinds import Numeric


def _names(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


OPERATORS = ("", "ai.onnx")
"""Domains of operators that ONNX itself describes."""

REFUSED = frozenset({"Loop", "Scan", "If", "SequenceMap"})
"""Operators that run graphs inside: a loop may have no end. Of ours only the graphs for other
programs have some, which :data:`LOOPING` names."""

LOOPING = ("encode", "find")
"""Roles of graphs that only proofs and other programs run, with loops over places and sizes."""

IN_LOOPING = frozenset({"Loop", "If", "NonZero"})
"""What these may have besides :data:`ACCEPTED`."""

SINGLE = _names(
    "Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Floor Round Sin Sinh Tan Exp Log Sqrt "
    "Reciprocal Tanh Sigmoid HardSigmoid HardSwish Swish Mish Gelu Elu Celu Selu LeakyRelu "
    "Softplus Softsign ThresholdedRelu Softmax LogSoftmax"
)
"""Operators on floating numbers, value by value or along one side, ..."""

EACH = _names(
    "Abs Neg Sign Relu Erf Clip Identity Dropout Pow Reshape Flatten Squeeze Unsqueeze Transpose "
    "CumSum ReduceMax ReduceMin ReduceMean ReduceProd ReduceSum ReduceSumSquare ReduceL1 ReduceL2 "
    "ReduceLogSum ReduceLogSumExp"
)
"""... on numbers that stay of their type, ..."""

ALIKE = _names("Add Sub Mul Div Mod Max Min Sum Mean PRelu Concat MatMul Gemm")
"""... on numbers that are all of one type, ..."""

NORMALISING = _names("BatchNormalization LayerNormalization RMSNormalization")
NETWORKS = _names("Conv GlobalAveragePool GlobalMaxPool GlobalLpPool") | NORMALISING
"""... and layers of networks on floating ones: none of all these makes an empty array of others."""

POOLS = frozenset({"MaxPool", "AveragePool", "LpPool"})

FLOATING = (
    _names("ConvTranspose AveragePool LpPool GroupNormalization InstanceNormalization")
    | _names("MeanVarianceNormalization LRN DequantizeLinear Attention RotaryEmbedding")
    | SINGLE
    | NETWORKS
)
"""Operators whose first result is of floating numbers: they take no others."""

PASSING = (
    _names("Expand Tile Pad Slice Split Gather GatherElements GatherND Resize Upsample")
    | _names("ScatterElements ScatterND TopK MaxPool DepthToSpace SpaceToDepth")
    | _names("GridSample Range Where CastLike")
    | EACH
)
"""Operators whose first result is of the type of their first input, or of this one: ..."""

KIND_OF: Numeric[dict[str, int]] = {"Where": 1, "CastLike": 1}

TESTING = _names(
    "And Or Xor Not Equal Greater GreaterOrEqual Less LessOrEqual IsInf IsNaN ArgMax ArgMin"
)
"""Operators that say yes or no, or where; nor do these make an empty array of others."""

WHOLE = _names(
    "Shape Size ConvInteger MatMulInteger QLinearConv QLinearMatMul QuantizeLinear "
    "DynamicQuantizeLinear"
)
"""Operators that give whole numbers."""

MADE = frozenset({"Constant", "ConstantOfShape", "Cast"})
"""Operators whose attributes say what they give."""

ACCEPTED = FLOATING | PASSING | ALIKE | TESTING | WHOLE | MADE
"""All that a bundle's graphs may have."""

KEEPING = SINGLE | EACH | ALIKE | NETWORKS | TESTING | {"Cast", "Where", "DequantizeLinear"}
"""Operators that make no empty array of ones that are not empty."""

PICKING = frozenset(
    {"Squeeze", "Unsqueeze", "Gather", "Slice", "Reshape", "Identity", "Flatten", "Transpose"}
)
"""Operators whose results are values of their first input: PyTorch divides places by sides."""

DIVIDING = frozenset({"Div", "Mod"})
"""Of whole numbers these end the process where they divide by 0, or the least number by -1."""

NOT_EMPTY = frozenset({"InstanceNormalization", "MeanVarianceNormalization"})
"""Operators that end the process if an array is empty."""

FILLING = frozenset({"ConstantOfShape", "Expand", "Tile"})
"""Operators that make a large array of a small one, whose size another input gives."""

PRODUCTS = frozenset({"MatMul", "Gemm", "MatMulInteger", "QLinearMatMul", "Attention"})
CONVOLUTIONS = frozenset({"Conv", "ConvTranspose", "ConvInteger", "QLinearConv"})
LABORIOUS = PRODUCTS | CONVOLUTIONS | POOLS | {"LRN"}
"""Operators that take more time than their values alone would. Exporters leave none of them with
constants alone, and libraries compute those before anything could stop them."""

ABOVE_ZERO = _names(
    "strides dilations kernel_shape group num_groups blocksize num_outputs size "
    "q_num_heads kv_num_heads"
)
"""Attributes by which libraries divide, some without a look at them."""
