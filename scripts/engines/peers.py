"""The engines that compare_engines.py can put beside ours, and the files that they load.

Imports nothing large: the process that compares has to stay small and idle.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Peer:
    """One variant of an engine."""

    library: str
    precision: str
    about: str
    # What it loads from the work directory; empty: the model's own directory.
    file: str = ""
    # One stream per thread, each with a thread of its own: batches run beside each other, and a single one is divided by rows.
    # Otherwise all threads work on one batch.
    streams: bool = False
    # Settings of the library.
    settings: dict = field(default_factory=dict)
    # Left out of the default set on processors without it.
    cpu_flag: str = ""


OPENVINO_F32 = {"INFERENCE_PRECISION_HINT": "f32"}
PEERS = {
    "torch-fp32": Peer("torch", "fp32", "PyTorch as transformers loads it; the reference"),
    "torch-bf16": Peer("torch", "bf16", "PyTorch, the whole model in bfloat16", cpu_flag="avx512_bf16"),
    "ort-fp32": Peer("onnxruntime", "fp32", "ONNX Runtime with its default graph optimisations", "dynamo.onnx"),
    "ort-fp32-2s": Peer("onnxruntime", "fp32", "ort-fp32, a session per thread", "dynamo.onnx", streams=True),
    "ort-fused-fp32": Peer("onnxruntime", "fp32", "fused beforehand by onnxruntime.transformers", "fused.onnx"),
    "ort-fused-fp32-2s": Peer("onnxruntime", "fp32", "ort-fused-fp32, a session per thread", "fused.onnx", streams=True),
    "ort-int8": Peer("onnxruntime", "int8", "quantize_dynamic, a scale per weight tensor", "int8.onnx"),
    "ort-int8-channel": Peer("onnxruntime", "int8", "quantize_dynamic, a scale per channel", "int8-channel.onnx"),
    "ort-int8-channel-2s": Peer("onnxruntime", "int8", "ort-int8-channel, a session per thread", "int8-channel.onnx", streams=True),
    "ort-int8-reduced": Peer("onnxruntime", "int8", "per channel, weights of 7 bits (reduce_range)", "int8-reduced.onnx"),
    "ort-fused-int8": Peer("onnxruntime", "int8", "fused, then quantize_dynamic, a scale per weight tensor", "fused-int8.onnx"),
    "ort-fused-int8-channel": Peer("onnxruntime", "int8", "fused, then quantize_dynamic, a scale per channel", "fused-int8-channel.onnx"),
    "ort-fused-int8-channel-2s": Peer("onnxruntime", "int8", "the same, a session per thread", "fused-int8-channel.onnx", streams=True),
    "ov-fp32": Peer("openvino", "fp32", "OpenVINO, latency hint", "openvino-fp32.xml", settings=OPENVINO_F32),
    "ov-fp32-2s": Peer("openvino", "fp32", "ov-fp32, a stream per thread", "openvino-fp32.xml", streams=True, settings=OPENVINO_F32),
    "ov-bf16": Peer("openvino", "bf16", "OpenVINO in bfloat16", "openvino-fp32.xml", settings={"INFERENCE_PRECISION_HINT": "bf16"}, cpu_flag="avx512_bf16"),
    "ov-int8": Peer("openvino", "int8", "nncf.quantize, calibrated on the texts", "openvino-int8.xml", settings=OPENVINO_F32),
    "ov-int8-2s": Peer("openvino", "int8", "ov-int8, a stream per thread", "openvino-int8.xml", streams=True, settings=OPENVINO_F32),
    "ov-dynamic-int8": Peer(
        "openvino", "int8", "nncf.compress_weights, activations quantised in groups of 32", "openvino-weights-int8.xml",
        settings=OPENVINO_F32 | {"DYNAMIC_QUANTIZATION_GROUP_SIZE": "32"},
    ),
    "ov-dynamic-int8-2s": Peer(
        "openvino", "int8", "ov-dynamic-int8, a stream per thread", "openvino-weights-int8.xml", streams=True,
        settings=OPENVINO_F32 | {"DYNAMIC_QUANTIZATION_GROUP_SIZE": "32"},
    ),
    "ct2-fp32": Peer("ctranslate2", "fp32", "CTranslate2's Encoder, the head in numpy", "ctranslate2"),
    "ct2-fp32-2w": Peer("ctranslate2", "fp32", "ct2-fp32, a worker per thread", "ctranslate2", streams=True),
    "ct2-int8": Peer("ctranslate2", "int8", "CTranslate2's Encoder, the head in numpy", "ctranslate2"),
    "ct2-int8-2w": Peer("ctranslate2", "int8", "ct2-int8, a worker per thread", "ctranslate2", streams=True),
}  # fmt: skip
REFERENCE = "torch-fp32"

# By exported file: the files that it is made of. Those in OPTIONAL may be missing.
EXPORTS = {
    "dynamo.onnx": [],
    "plain.onnx": [],
    "fused.onnx": ["dynamo.onnx", "plain.onnx"],
    "int8.onnx": ["dynamo.onnx"],
    "int8-channel.onnx": ["dynamo.onnx"],
    "int8-reduced.onnx": ["dynamo.onnx"],
    "fused-int8.onnx": ["fused.onnx"],
    "fused-int8-channel.onnx": ["fused.onnx"],
    "openvino-fp32.xml": ["dynamo.onnx"],
    "openvino-int8.xml": ["dynamo.onnx"],
    "openvino-weights-int8.xml": ["dynamo.onnx"],
    "ctranslate2": [],
}
# Written for BERT alone.
OPTIONAL = {"plain.onnx"}
