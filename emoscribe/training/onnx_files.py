"""A trained network as ONNX files: full precision, and with 8-bit weights.

The TorchScript exporter (`dynamo=False`) silently lost the attention mask of this architecture once (92 % agreement,
logits off by 8), hence the dynamo exporter and a comparison of logits at several lengths after every export.
"""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from emoscribe.errors import ModelIntegrityError
from emoscribe.training.network import EmotionNetwork

PARITY_LENGTHS: Final = (3, 9, 24, 96, 128)  # tokens
PARITY_TOLERANCE: Final = 2e-3  # of a logit, fp32
OPSET: Final = 20

Floats = npt.NDArray[np.float32]


def export_fp32(network: EmotionNetwork, path: Path, vocabulary: int) -> float:
    """Write the network and return the largest difference of a logit. Raises ModelIntegrityError if it is too large."""
    network.eval()
    example = torch.ones(2, 16, dtype=torch.int64)
    example[:, 8] = network.separator_id
    batch, tokens = torch.export.Dim("batch"), torch.export.Dim("tokens", min=3, max=512)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, of its own parts
        program = torch.onnx.export(
            network,
            (example, torch.ones_like(example)),
            dynamo=True,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes=({0: batch, 1: tokens}, {0: batch, 1: tokens}),
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise ModelIntegrityError("The exporter returned nothing.", fix="Use another version of PyTorch.")
    program.save(str(path), external_data=False)
    difference = _largest_difference(network, path, vocabulary)
    if difference > PARITY_TOLERANCE:
        raise ModelIntegrityError(
            f"The exported file gives other logits than the network, by up to {difference:.3f}.",
            fix="Use another version of PyTorch's exporter; the file must not be shipped.",
        )
    return difference


def quantise(fp32: Path, path: Path) -> None:
    """Write the file with 8-bit weights, a scale for each output of a layer and each word; activations stay exact.

    A quarter of the size, and nothing else: the runtime puts the weights of the layers back to 32 bits when it loads
    them (`emotion.py`). Of the ways to compute in 8 bits none was better on CPUs with AVX2: `MatMulNBits` is slower
    than 32 bits, and quantised activations cost macro-F1 and tie a text to its neighbours (docs/experiments.md).
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(fp32)
    _embeddings_in_8_bits(model)
    graph = model.graph
    weights = {one.name: one for one in graph.initializer if len(one.dims) == 2 and one.dims[0] * one.dims[1] >= 1024}
    first = []
    for node in graph.node:
        if node.op_type not in {"MatMul", "Gemm"} or node.input[1] not in weights:
            continue
        weight = weights.pop(node.input[1])
        is_turned = any(one.name == "transB" and one.i for one in node.attribute)  # (out, in)
        small, scale = _in_8_bits(numpy_helper.to_array(weight), 1 if is_turned else 0)
        graph.initializer.remove(weight)
        graph.initializer.append(numpy_helper.from_array(small, f"{weight.name}.int8"))
        graph.initializer.append(numpy_helper.from_array(scale.ravel(), f"{weight.name}.scale"))
        parts = [f"{weight.name}.int8", f"{weight.name}.scale"]
        axis = 0 if is_turned else 1
        first.append(onnx.helper.make_node("DequantizeLinear", parts, [weight.name], axis=axis))
    nodes = [*first, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, path)


def _in_8_bits(values: Floats, inputs: int) -> tuple[npt.NDArray[np.int8], Floats]:
    """Whole numbers, and the scale to multiply them with; `inputs`: the axis that shares a scale."""
    scale = np.maximum(np.abs(values).max(inputs, keepdims=True), 1e-8).astype(np.float32) / np.float32(127)
    return np.round(values / scale).astype(np.int8), scale


def _embeddings_in_8_bits(model: Any) -> None:
    """Tables of word vectors as int8 with a scale for each row: half of the file of a small model."""
    import onnx
    from onnx import numpy_helper

    graph = model.graph
    tables = {one.name: one for one in graph.initializer if len(one.dims) == 2 and one.dims[0] > 10_000}
    nodes = []
    for node in graph.node:
        if node.op_type != "Gather" or node.input[0] not in tables:
            nodes.append(node)
            continue
        table = tables[node.input[0]]
        values = numpy_helper.to_array(table)  # (words, hidden)
        small, scale = _in_8_bits(values, 1)  # (words, hidden), (words, 1)
        name = table.name
        graph.initializer.remove(table)
        graph.initializer.append(numpy_helper.from_array(small, f"{name}.int8"))
        graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
        ids, out = node.input[1], node.output[0]
        nodes += [
            onnx.helper.make_node("Gather", [f"{name}.int8", ids], [f"{out}.int8"]),
            onnx.helper.make_node("Cast", [f"{out}.int8"], [f"{out}.float"], to=onnx.TensorProto.FLOAT),
            onnx.helper.make_node("Gather", [f"{name}.scale", ids], [f"{out}.scale"]),
            onnx.helper.make_node("Mul", [f"{out}.float", f"{out}.scale"], [out]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)


def write_metadata(path: Path, values: Mapping[str, object]) -> None:
    """Put values into the file, as JSON; strings as they are."""
    import onnx

    model = onnx.load(path)
    del model.metadata_props[:]
    for key, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value)
        model.metadata_props.append(onnx.StringStringEntryProto(key=key, value=text))
    onnx.save(model, path)


def _largest_difference(network: EmotionNetwork, path: Path, vocabulary: int) -> float:
    """Between the network and the file, over batches of mixed lengths with padding, with and without context."""
    import onnxruntime as ort

    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    chance = np.random.default_rng(0)
    worst = 0.0
    for longest in PARITY_LENGTHS:
        ids, mask = _random_batch(chance, network.separator_id, vocabulary, longest)
        with torch.no_grad():
            expected = network(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
        got: Floats = session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]
        worst = max(worst, float(np.abs(expected - got).max()))
    return worst


def _random_batch(
    chance: np.random.Generator, separator: int, vocabulary: int, longest: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    lengths: Sequence[int] = [longest, max(3, longest // 2), 3, max(3, longest - 1)]
    ids = np.zeros((len(lengths), longest), np.int64)
    mask = np.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :length] = chance.integers(separator + 1, vocabulary, length)
        ids[row, length - 1] = separator
        mask[row, :length] = 1
        if row % 2 == 0 and length > 8:
            ids[row, length // 2] = separator  # the rest is context
    return ids, mask
