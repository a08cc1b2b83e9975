"""A classifier as small as an ONNX file can be: the logits of a text are the sum of a row for each of its tokens.

It runs in fp32, so a text's logits do not depend on its batch. The table can be too small for a token, or hold NaN.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emoscribe.labels import LABELS
from tests.conftest import ROOT

TOKENIZER = ROOT / "models" / "emotion-fast" / "tokenizer.json"
VOCABULARY = 30_522

GOOD_METADATA: Mapping[str, str] = {
    "labels": json.dumps(LABELS),
    "thresholds": json.dumps([0.5] * len(LABELS)),
    "activation": "sigmoid",
    "max_tokens": "16",
}


def rows(seed: int = 1, tokens: int = VOCABULARY, outputs: int = len(LABELS)) -> npt.NDArray[np.float32]:
    """Random rows, (tokens, outputs)."""
    return np.random.default_rng(seed).normal(0, 1, (tokens, outputs)).astype(np.float32)


def save_classifier(folder: Path, table: npt.NDArray[np.float32], metadata: Mapping[str, str] = GOOD_METADATA) -> Path:
    """Write `model.onnx` and `tokenizer.json`."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "t"]) for n in ("input_ids", "attention_mask")]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["picked"]),  # (b, t, 7)
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),  # (b, t, 1)
        helper.make_node("Mul", ["picked", "wide"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "middle"], ["logits"], keepdims=0),
    ]
    constants = {"table": table, "last": np.array([2]), "middle": np.array([1])}
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["b", table.shape[1]])]
    graph = helper.make_graph(
        nodes, "tiny", inputs, outputs, [numpy_helper.from_array(value, name) for name, value in constants.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, dict(metadata))
    folder.mkdir(exist_ok=True)
    save_model(model, folder / "model.onnx")
    shutil.copyfile(TOKENIZER, folder / "tokenizer.json")
    return folder
