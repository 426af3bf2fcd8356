"""Makes one of the files that the peers load, checks it against torch, and prints what it is as JSON.

`python -m engines.exports FILE MODEL --work DIR --texts FILE --max-length N`, with FILE from peers.EXPORTS, writes DIR/FILE.
`python -m engines.exports shape:bert-base MODEL --work DIR` writes a model of that shape into DIR: random weights, MODEL's tokenizer.
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np

from engines.inputs import Encoder, config_of, input_names, read_texts

SHAPES = {
    "bert-base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
}
TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"]
# Texts by which static quantisation measures the range of activations.
CALIBRATION_TEXTS = 300


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("model", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--max-length", type=int, default=128)
    return parser.parse_args()


def in_torch(model: Path):
    """The model with attention written out, which exporters follow."""
    from transformers import AutoModelForSequenceClassification
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    set_verbosity_error()
    disable_progress_bar()
    return AutoModelForSequenceClassification.from_pretrained(model, attn_implementation="eager").eval()


def padded_example(names: list[str]) -> tuple:
    """Two rows, one of them padded: an exporter that loses the mask then shows."""
    import torch

    ids = torch.arange(1000, 1000 + 2 * 9).reshape(2, 9)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    return tuple(inputs[name] for name in names)


def dynamo(options: argparse.Namespace, path: Path) -> dict:
    """Any family, by torch's current exporter."""
    import torch

    names, model = input_names(options.model), in_torch(options.model)

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, *inputs):
            return self.model(**dict(zip(names, inputs))).logits

    sizes = {0: torch.export.Dim("rows", min=1, max=4096), 1: torch.export.Dim("tokens", min=2, max=512)}
    with torch.no_grad():
        torch.onnx.export(
            Logits(), padded_example(names), str(path), input_names=names, output_names=["logits"], dynamo=True, opset_version=18,
            external_data=False, dynamic_shapes=(tuple(sizes for _ in names),),
        )  # fmt: skip
    return {"difference_from_torch": onnx_difference(options, path, 1e-3)}


def plain(options: argparse.Namespace, path: Path) -> dict:
    """BERT operation by operation, in the form whose attention onnxruntime.transformers recognises, by torch's older exporter."""
    import torch

    config = config_of(options.model)
    if config["model_type"] != "bert" or config["hidden_act"] != "gelu":
        raise ValueError("written for BERT with gelu alone")
    model = in_torch(options.model)
    heads, width = config["num_attention_heads"], config["hidden_size"]

    class PlainBert(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def embed(self, ids, type_ids):
            part = self.model.bert.embeddings
            words, types = part.word_embeddings(ids), part.token_type_embeddings(type_ids)
            return part.LayerNorm(words + types + part.position_embeddings(part.position_ids[:, : ids.size(1)]))

        def attend(self, part, hidden, mask):
            def by_head(values):
                return values.view(values.size(0), values.size(1), heads, width // heads).permute(0, 2, 1, 3)

            query, key, value = by_head(part.self.query(hidden)), by_head(part.self.key(hidden)), by_head(part.self.value(hidden))
            scores = torch.matmul(query, key.transpose(-1, -2)) / (width // heads) ** 0.5
            mixed = torch.matmul(torch.softmax(scores + mask, dim=-1), value).permute(0, 2, 1, 3).contiguous()
            mixed = mixed.view(mixed.size(0), mixed.size(1), width)
            return part.output.LayerNorm(part.output.dense(mixed) + hidden)

        def forward(self, input_ids, attention_mask, token_type_ids):
            hidden = self.embed(input_ids, token_type_ids)
            mask = (1.0 - attention_mask.unsqueeze(1).unsqueeze(2).to(torch.float32)) * -10000.0
            for layer in self.model.bert.encoder.layer:
                hidden = self.attend(layer.attention, hidden, mask)
                wide = torch.nn.functional.gelu(layer.intermediate.dense(hidden))
                hidden = layer.output.LayerNorm(layer.output.dense(wide) + hidden)
            return self.model.classifier(torch.tanh(self.model.bert.pooler.dense(hidden[:, 0])))

    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "rows", 1: "tokens"} for name in names} | {"logits": {0: "rows"}}
    with torch.no_grad():
        torch.onnx.export(
            PlainBert(), padded_example(names), str(path), input_names=names, output_names=["logits"], dynamo=False, opset_version=17, dynamic_axes=axes
        )
    return {"difference_from_torch": onnx_difference(options, path, 1e-3)}


def fused(options: argparse.Namespace, path: Path) -> dict:
    """By onnxruntime.transformers' optimizer, from whichever export it fuses most of, attention counting first."""
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    config = config_of(options.model)
    heads, width = config.get("num_attention_heads") or config["n_heads"], config.get("hidden_size") or config["dim"]
    best = None
    for source in ("dynamo.onnx", "plain.onnx"):
        for level in (0, 1):
            if not (options.work / source).is_file():
                continue
            graph = optimizer.optimize_model(
                str(options.work / source), model_type="bert", num_heads=heads, hidden_size=width, optimization_options=FusionOptions("bert"), opt_level=level
            )
            counts = {name: count for name, count in graph.get_fused_operator_statistics().items() if count}
            score = counts.get("Attention", 0) + counts.get("MultiHeadAttention", 0), sum(counts.values())
            if best is None or score > best[0]:
                best = score, graph, counts, f"{source}, opt_level {level}"
    if best is None:
        raise FileNotFoundError("neither dynamo.onnx nor plain.onnx is there to fuse")
    _, graph, counts, source = best
    graph.save_model_to_file(str(path))
    # Its GELU and mask are approximations within this.
    return {"from": source, "fused": counts, "difference_from_torch": onnx_difference(options, path, 1e-2)}


def onnx_difference(options: argparse.Namespace, path: Path, tolerance: float) -> float:
    """The largest difference from torch's logits on batches with padding; an error if that is more than rounding."""
    import onnxruntime
    import torch

    encoder, model = Encoder(options.model, options.max_length), in_torch(options.model)
    rows = encoder.rows(read_texts(options.texts, 10))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    largest = 0.0
    for start in range(0, len(rows), 5):
        batch = encoder.batch(rows[start : start + 5])
        found = session.run(None, {entry.name: batch[entry.name] for entry in session.get_inputs()})[0]
        with torch.inference_mode():
            wanted = model(**{name: torch.from_numpy(batch[name]) for name in input_names(options.model)}).logits.numpy()
        largest = max(largest, float(np.abs(found - wanted).max()))
    if not largest <= tolerance:
        raise ValueError(f"its logits are {largest:.4f} off torch's: not to be measured")
    return largest


def quantized(source: str, **settings):
    def make(options: argparse.Namespace, path: Path) -> dict:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic

        # Exported graphs leave some types open, which the quantiser then takes for float.
        extra = {"DefaultTensorType": onnx.TensorProto.FLOAT}
        quantize_dynamic(str(options.work / source), str(path), weight_type=QuantType.QInt8, extra_options=extra, **settings)
        counts: dict[str, int] = {}
        for node in onnx.load(str(path)).graph.node:
            counts[node.op_type] = counts.get(node.op_type, 0) + 1
        return {"products": {name: count for name, count in counts.items() if name in PRODUCTS}}

    return make


# What is left in float after quantisation shows here.
PRODUCTS = {"MatMul", "Gemm", "FusedMatMul", "MatMulInteger", "DynamicQuantizeMatMul", "QAttention", "Attention", "MultiHeadAttention"}


def openvino(change):
    def make(options: argparse.Namespace, path: Path) -> dict:
        import openvino as ov

        model = change(options, ov.Core().read_model(str(options.work / "dynamo.onnx")))
        ov.save_model(model, str(path), compress_to_fp16=False)
        return {}

    return make


def static_int8(options: argparse.Namespace, model):
    import nncf

    encoder, names = Encoder(options.model, options.max_length), input_names(options.model)
    batches = [encoder.batch([row]) for row in encoder.rows(read_texts(options.texts, CALIBRATION_TEXTS))]
    data = [{name: batch[name] for name in names} for batch in batches]
    return nncf.quantize(model, nncf.Dataset(data), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(data))


def int8_weights(_options: argparse.Namespace, model):
    import nncf

    return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)


def ctranslate2(options: argparse.Namespace, path: Path) -> dict:
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(options.model)).convert(str(path), force=True)
    head = {name: values for name, values in in_torch(options.model).state_dict().items() if name.startswith(("classifier", "pre_classifier"))}
    np.savez(path / "head.npz", **{name: values.numpy() for name, values in head.items()})
    return {"head": sorted(head)}


MAKERS = {
    "dynamo.onnx": dynamo,
    "plain.onnx": plain,
    "fused.onnx": fused,
    "int8.onnx": quantized("dynamo.onnx"),
    "int8-channel.onnx": quantized("dynamo.onnx", per_channel=True),
    "int8-reduced.onnx": quantized("dynamo.onnx", per_channel=True, reduce_range=True),
    "fused-int8.onnx": quantized("fused.onnx"),
    "fused-int8-channel.onnx": quantized("fused.onnx", per_channel=True),
    "openvino-fp32.xml": openvino(lambda _options, model: model),
    "openvino-int8.xml": openvino(static_int8),
    "openvino-weights-int8.xml": openvino(int8_weights),
    "ctranslate2": ctranslate2,
}


def make_model(options: argparse.Namespace, shape: str) -> dict:
    """For timing alone: what it answers means nothing."""
    import torch
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertForSequenceClassification

    vocabulary = Tokenizer.from_file(str(options.model / "tokenizer.json")).get_vocab_size()
    torch.manual_seed(1)
    # CTranslate2's converter reads the kind of position embeddings, which configurations no longer have.
    model = BertForSequenceClassification(BertConfig(vocab_size=vocabulary, num_labels=2, position_embedding_type="absolute", **SHAPES[shape])).eval()
    model.save_pretrained(options.work)
    for name in TOKENIZER_FILES:
        if (options.model / name).is_file():
            shutil.copy(options.model / name, options.work / name)
    return {"parameters": sum(values.numel() for values in model.parameters())}


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def main() -> int:
    options = arguments()
    # Exporters print on stdout.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    options.work.mkdir(parents=True, exist_ok=True)
    if options.file.startswith("shape:"):
        facts = make_model(options, options.file.removeprefix("shape:"))
    else:
        path = options.work / options.file
        try:
            facts = MAKERS[options.file](options, path)
        except BaseException:
            # A file that is there counts as good.
            remove(path)
            raise
    print(json.dumps(facts), file=answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
