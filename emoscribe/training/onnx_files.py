"""A trained network as an ONNX file of full precision (`quantise.py` makes it small), and what a file says of itself.

The TorchScript exporter (`dynamo=False`) silently lost the attention mask of this architecture once (92 % agreement,
logits off by 8), hence the dynamo exporter and a comparison of logits at several lengths after every export.
"""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from emoscribe.errors import ModelIntegrityError
from emoscribe.training.network import EmotionNetwork

PARITY_LENGTHS: Final = (3, 9, 24, 96, 128)  # tokens
PARITY_TOLERANCE: Final = 2e-3  # of a logit, fp32
OPSET: Final = 21  # the first with 4-bit weights in blocks

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
