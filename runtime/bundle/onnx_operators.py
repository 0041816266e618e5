"""What is known of the operators of ONNX: which are refused, and which give whole numbers.

A graph comes from whoever made the bundle, and some operators run without end, take minutes while
a file is opened, or end the process where the library does not check what it is given.
"""

from __future__ import annotations

from ..kinds import Numeric

OPERATORS = ("", "ai.onnx")
"""Domains of operators that ONNX itself describes."""

REFUSED = frozenset({"Loop", "Scan", "If", "SequenceMap"})
"""Operators that run graphs inside: a loop may have no end. Of ours only the graphs for other
programs have some, which :data:`LOOPING` names."""

LOOPING = ("encode", "find")
"""Roles of graphs that only proofs and other programs run, with loops over places and sizes."""

FILLING = frozenset({"ConstantOfShape", "Expand", "Tile"})
"""Operators that make a large array of a small one, whose size another input gives."""

PRODUCTS = frozenset({"MatMul", "Gemm", "Einsum", "MatMulInteger", "QLinearMatMul", "Attention"})
CONVOLUTIONS = frozenset({"Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "DeformConv"})
POOLS = frozenset({"MaxPool", "AveragePool", "LpPool"})
OTHERS = frozenset({"RNN", "LSTM", "GRU", "Det", "DFT", "STFT", "InstanceNormalization"})
LABORIOUS = PRODUCTS | CONVOLUTIONS | POOLS | OTHERS
"""Operators that take more time than their values alone would. Exporters leave none of them with
constants alone, and libraries compute those before anything could stop them."""

WITH_TENSORS = frozenset({"Constant", "ConstantOfShape"})
"""Operators with a tensor among their attributes."""

TEXT: Numeric[int] = 8
"""Of tensors of texts, which take memory that no limit of the inference library counts."""

INT32: Numeric[int] = 6
INT64: Numeric[int] = 7
WHOLE = frozenset({INT32, INT64})
"""Of tensors of whole numbers of which the least one divided by -1 ends the process."""

GIVES_WHOLE = frozenset(
    {"Shape", "Size", "ArgMax", "ArgMin", "NonZero", "MatMulInteger", "ConvInteger"}
)
"""Operators that give such numbers, ..."""

GIVES_PLACES = frozenset({"TopK", "MaxPool", "Unique"})
"""... whose further outputs are such, ..."""

GIVES_AS_SAID = frozenset(
    {"Cast", "EyeLike", "ConstantOfShape", "Multinomial", "Bernoulli", "DequantizeLinear"}
)
"""... or whose attributes say what they give. Others give what they get: ..."""

KIND_OF: Numeric[dict[str, int]] = {"Where": 1, "CastLike": 1, "OneHot": 2}
"""... as their first input, or this one."""

COUNTING = frozenset({"Shape", "Size"})
"""Operators that give no number below 0, ..."""

PICKING = frozenset({"Squeeze", "Unsqueeze", "Gather", "Slice", "Reshape", "Identity", "Cast"})
"""... and ones that leave their first input such: PyTorch divides places by sides of maps."""
