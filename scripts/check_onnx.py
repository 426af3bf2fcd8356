#!/usr/bin/env python3
"""Do ONNX engines answer as the reference does? Writes every golden fixture as ONNX with `firebrand onnx` and asks ONNX Runtime
and OpenVINO, for batches padded on the right, on the left and beyond the longest row, and for each row alone. Prints the largest
difference from torch's logits of each row alone:

- fp32 in both engines, and in ONNX Runtime after its transformers optimizer: at most --limit, or the script ends with 1;
- fp16 and int8: shown, and at most --rough times the largest logit (the fixtures' weights are drawn much larger than a trained
  model's, and so are errors).

`onnx.checker` must accept every file, and the optimizer must fuse every attention layer of the families in FUSED.

    cargo build -p firebrand
    python3 scripts/check_onnx.py

Needs numpy, onnx, onnxruntime and openvino (requirements-engines.txt). Nothing is downloaded.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "crates/model/tests/golden/models"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
FILES = {"fp32": "model.onnx", "fp16": "model_fp16.onnx", "int8": "model_quantized.onnx"}
# Families with BERT's attention: ONNX Runtime's optimizer must fuse it in every layer.
FUSED = ["albert", "bert", "distilbert", "electra", "roberta"]
COLUMNS = ["fixture", "ort fp32", "ov fp32", "ort fused", "ort fp16", "ov fp16", "ort int8", "ov int8", "fused attention", "other fusions", ""]


def batches(expected: dict, pad: int) -> list[tuple[str, dict[str, np.ndarray], np.ndarray]]:
    """The fixture's rows, padded in several ways: (name, inputs, reference)."""
    inputs = expected["inputs"]
    mask = np.array(inputs["attention_mask"], dtype=bool)
    zeros = np.zeros_like(inputs["input_ids"])
    rows = [
        {name: np.array(inputs.get(name, zeros))[row][mask[row]] for name in ("input_ids", "token_type_ids")}
        for row in range(len(mask))
    ]
    reference = np.array(expected["logits_each_row_alone_unpadded"]).reshape(len(rows), -1)

    def padded(rows: list[dict], left: bool, more: int) -> dict[str, np.ndarray]:
        length = max(len(row["input_ids"]) for row in rows) + more
        fill = lambda values, value: np.pad(values, (length - len(values), 0) if left else (0, length - len(values)), constant_values=value)
        return {
            "input_ids": np.stack([fill(row["input_ids"], pad) for row in rows]),
            "attention_mask": np.stack([fill(np.ones_like(row["input_ids"]), 0) for row in rows]),
            "token_type_ids": np.stack([fill(row["token_type_ids"], 0) for row in rows]),
        }

    found = [
        ("right", padded(rows, False, 0), reference),
        ("left", padded(rows, True, 0), reference),
        ("wider", padded(rows[1:], False, 11), reference[1:]),
    ]
    found += [(f"row {row} alone", padded([rows[row]], False, 0), reference[row : row + 1]) for row in range(len(rows))]
    return found


def by_onnxruntime(path: Path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return lambda inputs: session.run(["logits"], {name: inputs[name].astype(np.int64) for name in names})[0]


def by_openvino(path: Path):
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    names = [value.get_any_name() for value in compiled.inputs]
    return lambda inputs: compiled({name: inputs[name].astype(np.int64) for name in names})["logits"]


def difference(ask, asked) -> float:
    return max(float(np.abs(ask(inputs) - reference).max()) for _, inputs, reference in asked)


def fuse(path: Path, to: Path, heads: int, hidden: int) -> dict[str, int]:
    """Optimizes a file as `python -m onnxruntime.transformers.optimizer` does; the number of fused nodes by kind."""
    options = FusionOptions("bert")
    # By default the optimizer takes padding to be on the right.
    options.use_raw_attention_mask(True)
    model = optimizer.optimize_model(str(path), "bert", num_heads=heads, hidden_size=hidden, optimization_options=options, opt_level=0)
    model.save_model_to_file(str(to))
    return {kind: count for kind, count in model.get_fused_operator_statistics().items() if count}


def first(config: dict, *keys: str) -> int:
    return next(config[key] for key in keys if key in config)


def check(fixture: Path, directory: Path, options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """A row of the table, and what is wrong."""
    name = fixture.name
    expected = json.loads((fixture / "expected.json").read_text())
    config = json.loads((fixture / "config.json").read_text())
    subprocess.run([options.program, "onnx", fixture, "--output", directory], check=True, stdout=subprocess.DEVNULL)
    problems = []
    for file in FILES.values():
        try:
            onnx.checker.check_model(str(directory / file), full_check=True)
        except onnx.checker.ValidationError as error:
            problems.append(f"onnx.checker refuses {file}: {error}")
    asked = batches(expected, config.get("pad_token_id") or 0)
    rough = options.rough * max(1.0, max(float(np.abs(reference).max()) for _, _, reference in asked))

    def measure(what: str, make, path: Path, limit: float) -> str:
        try:
            found = difference(make(path), asked)
        except Exception as error:  # an engine's own
            problems.append(f"{what}: {error}")
            return "fails"
        if not found <= limit:
            problems.append(f"{what}: {found:.1e} is more than {limit:.1e}")
        return f"{found:.1e}"

    path = {precision: directory / file for precision, file in FILES.items()}
    single = [measure("ort fp32", by_onnxruntime, path["fp32"], options.limit), measure("ov fp32", by_openvino, path["fp32"], options.limit)]
    layers = first(config, "num_hidden_layers", "n_layers", "n_layer")
    fused = directory / "fused.onnx"
    counts = fuse(path["fp32"], fused, first(config, "num_attention_heads", "n_heads", "n_head"), first(config, "hidden_size", "dim", "n_embd", "d_model"))
    single.append(measure("ort fused", by_onnxruntime, fused, options.limit))
    attention = counts.pop("Attention", 0)
    if name.split("-")[0] in FUSED and attention != layers:
        problems.append(f"ONNX Runtime's optimizer fuses {attention} of {layers} attention layers")
    other = [
        measure(f"{engine} {precision}", make, path[precision], rough)
        for precision in ("fp16", "int8")
        for engine, make in (("ort", by_onnxruntime), ("ov", by_openvino))
    ]
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    return [name, *single, *other, f"{attention} of {layers}", kinds, "BAD" if problems else "ok"], problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=TARGET / "debug/firebrand", help="the program firebrand (default: %(default)s)")
    parser.add_argument("--golden", type=Path, default=GOLDEN, help="the fixtures (default: those of crates/model)")
    parser.add_argument("--limit", type=float, default=1e-4, help="largest difference of a logit in fp32 (default: %(default)s)")
    parser.add_argument("--rough", type=float, default=0.25, help="the same in fp16 and int8, relative to the largest (default: %(default)s)")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="fixtures to check (default: all)")
    options = parser.parse_args()
    if not options.program.is_file():
        print(f"there is no {options.program}: build it with `cargo build -p firebrand`", file=sys.stderr)
        return 2
    logging.disable(logging.WARNING)
    fixtures = sorted(path for path in options.golden.iterdir() if (path / "expected.json").is_file())
    fixtures = [path for path in fixtures if not options.only or path.name in options.only]
    if not fixtures:
        print(f"{options.golden} holds no such fixture", file=sys.stderr)
        return 2
    rows, bad = [COLUMNS], False
    with tempfile.TemporaryDirectory() as work:
        for fixture in fixtures:
            row, problems = check(fixture, Path(work) / fixture.name, options)
            rows.append(row)
            bad |= bool(problems)
            for problem in problems:
                print(f"{fixture.name}: {problem}", file=sys.stderr)
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    versions = [f"{module.__name__} {module.__version__}" for module in (onnx, onnxruntime, openvino)]
    print("\n" + ", ".join(versions))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
