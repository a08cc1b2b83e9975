"""An ONNX file with 8- or 4-bit weights; activations stay exact.

A quarter or less of the size. On a processor with products of 8-bit numbers (VNNI) the runtime multiplies the weights
as they are (`MatMulNBits`); on others, where that is slower than 32 bits, it puts the weights of the layers back to 32
bits when it loads them (`emotion.py`, docs/experiments.md).

8 bits: a scale for each output of a layer and each word. 4 bits: a scale for each block of 32 weights, chosen for the
least squared error. What that costs is measured at every export, and too much is refused (`export.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

BLOCK: Final = 32  # weights that share a scale in 4 bits
WEIGHTS_A_LAYER: Final = 6  # query, key, value, output, and the two of the feed-forward part; in this order in the file
SMALLEST: Final = 1024  # numbers in a table or matrix that is worth it
CLIPS: Final = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)  # shares of the largest weight of a block that are tried as its range


@dataclass(frozen=True, slots=True)
class Precision:
    """With how many bits which weights are kept."""

    word_bits: int = 8  # of the word vectors; 8 or 4
    four_bit_layers: int = 0  # so many of the lowest layers have 4 bits, the others 8


def quantise(fp32: Path, path: Path, precision: Precision = Precision()) -> None:
    """Write the file `fp32` anew, smaller."""
    import onnx

    model = onnx.load(fp32)
    graph = model.graph
    weights = {one.name: one for one in graph.initializer if len(one.dims) == 2 and np.prod(one.dims) >= SMALLEST}
    first: list[Any] = []
    nodes: list[Any] = []
    done = 0
    for node in graph.node:
        if node.op_type == "Gather" and (table := weights.get(node.input[0])):
            graph.initializer.remove(table)
            many = table.dims[0] > 10_000  # words; positions are few
            four = precision.word_bits == 4 and many and table.dims[1] % BLOCK == 0
            nodes += (_rows_in_4_bits if four else _rows_in_8_bits)(graph, node, table)
            continue
        if node.op_type in {"MatMul", "Gemm"} and (weight := weights.pop(node.input[1], None)):
            graph.initializer.remove(weight)
            is_turned = any(one.name == "transB" and one.i for one in node.attribute)  # (out, in)
            inputs = weight.dims[1 if is_turned else 0]
            four = done < precision.four_bit_layers * WEIGHTS_A_LAYER and inputs % BLOCK == 0
            first += (_layer_in_4_bits if four else _layer_in_8_bits)(graph, weight, 1 if is_turned else 0)
            done += 1
        nodes.append(node)
    del graph.node[:]
    graph.node.extend([*first, *nodes])
    for part in (*graph.node, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]  # the exporter's: where on whose disk a line of the network's source stood
    if precision.word_bits == 4:
        model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))  # ONNX Runtime's own operators
    onnx.save(model, path)


def in_8_bits(values: Floats, inputs: int) -> tuple[npt.NDArray[np.int8], Floats]:
    """Whole numbers, and the scale to multiply them with; `inputs`: the axis that shares a scale."""
    scale = np.maximum(np.abs(values).max(inputs, keepdims=True), 1e-8).astype(np.float32) / np.float32(127)
    return np.round(values / scale).astype(np.int8), scale


def in_4_bits(values: Floats) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float16]]:
    """Whole numbers from -8 to 7, (rows, columns), and the scales, (rows, blocks), of blocks along the last axis."""
    blocks = values.reshape(-1, BLOCK)  # (rows * blocks, BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(1, keepdims=True), 1)  # with its sign
    best = np.full((len(blocks), 1), np.inf, np.float32)
    numbers = np.zeros(blocks.shape, np.int8)
    scales = np.zeros((len(blocks), 1), np.float16)
    for clip in CLIPS:
        scale = (largest * np.float32(-clip / 8)).astype(np.float16)  # the largest one becomes -8 exactly
        scale[np.abs(scale) < 1e-6] = 1e-6
        tried = np.clip(np.round(blocks / scale.astype(np.float32)), -8, 7)
        error = np.square(tried * scale.astype(np.float32) - blocks).sum(1, keepdims=True)
        better = (error < best).ravel()
        best[better], scales[better], numbers[better] = error[better], scale[better], tried[better].astype(np.int8)
    return numbers.reshape(values.shape), scales.reshape(*values.shape[:-1], -1)


def _layer_in_8_bits(graph: Any, weight: Any, inputs: int) -> Iterator[Any]:
    from onnx import helper, numpy_helper

    small, scale = in_8_bits(numpy_helper.to_array(weight), inputs)
    graph.initializer.append(numpy_helper.from_array(small, f"{weight.name}.int8"))
    graph.initializer.append(numpy_helper.from_array(scale.ravel(), f"{weight.name}.scale"))
    parts = [f"{weight.name}.int8", f"{weight.name}.scale"]
    yield helper.make_node("DequantizeLinear", parts, [weight.name], axis=1 - inputs)


def _layer_in_4_bits(graph: Any, weight: Any, inputs: int) -> Iterator[Any]:
    from onnx import TensorProto, helper, numpy_helper

    values = numpy_helper.to_array(weight)
    small, scale = in_4_bits(np.ascontiguousarray(values if inputs else values.T))  # (out, in), (out, blocks)
    if not inputs:
        small, scale = small.T, scale.T
    name = weight.name
    graph.initializer.append(_packed(small, f"{name}.int4"))
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(scale), f"{name}.half"))
    yield helper.make_node("Cast", [f"{name}.half"], [f"{name}.scale"], to=TensorProto.FLOAT)
    parts = [f"{name}.int4", f"{name}.scale"]
    yield helper.make_node("DequantizeLinear", parts, [name], axis=inputs, block_size=BLOCK)


def _rows_in_8_bits(graph: Any, node: Any, table: Any) -> Iterator[Any]:
    """Word vectors with a scale for each word: half of the file of a small model."""
    from onnx import TensorProto, helper, numpy_helper

    small, scale = in_8_bits(numpy_helper.to_array(table), 1)  # (words, hidden), (words, 1)
    name, ids, out = table.name, node.input[1], node.output[0]
    graph.initializer.append(numpy_helper.from_array(small, f"{name}.int8"))
    graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
    yield helper.make_node("Gather", [f"{name}.int8", ids], [f"{out}.int8"])
    yield helper.make_node("Cast", [f"{out}.int8"], [f"{out}.float"], to=TensorProto.FLOAT)
    yield helper.make_node("Gather", [f"{name}.scale", ids], [f"{out}.scale"])
    yield helper.make_node("Mul", [f"{out}.float", f"{out}.scale"], [out])


def _rows_in_4_bits(graph: Any, node: Any, table: Any) -> Iterator[Any]:
    """Word vectors in blocks; they stay small in memory, too."""
    from onnx import TensorProto, helper, numpy_helper

    small, scale = in_4_bits(numpy_helper.to_array(table))  # (words, hidden), (words, blocks)
    name, ids, out = table.name, node.input[1], node.output[0]
    graph.initializer.append(_packed(small, f"{name}.int4"))
    graph.initializer.append(numpy_helper.from_array(scale, f"{name}.half"))
    yield helper.make_node("Cast", [f"{name}.half"], [f"{name}.scale"], to=TensorProto.FLOAT)  # once, when loaded
    yield helper.make_node(
        "GatherBlockQuantized",
        [f"{name}.int4", ids, f"{name}.scale"],
        [out],
        domain="com.microsoft",
        gather_axis=0,
        quantize_axis=1,
        block_size=BLOCK,
    )


def _packed(numbers: npt.NDArray[np.int8], name: str) -> Any:
    """As ONNX stores 4-bit numbers: two in a byte, the first in the lower half."""
    from onnx import TensorProto

    flat = numbers.ravel().astype(np.uint8) & 0xF
    data = (flat[0::2] | (flat[1::2] << 4)).astype(np.uint8).tobytes()
    return TensorProto(name=name, data_type=TensorProto.INT4, dims=numbers.shape, raw_data=data)
