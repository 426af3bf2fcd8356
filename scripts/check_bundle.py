#!/usr/bin/env python3
"""Does Python's transformers answer as Firebrand does? Loads an exported bundle and compares, on texts of the test part:

- token ids: those that the tokenize stage wrote, and those that AutoTokenizer makes of the same texts;
- scores: those behind the probabilities that the evaluate stage wrote, and the model's logits in torch;
- labels: all equal.

Scores are compared after taking each row's mean off both sides: probabilities know logits only up to a constant per row.
Nothing is downloaded. Ends with exit code 1 when anything differs by more than rounding, 2 when a file is missing.
"""

import argparse
import json
import os
import sys
from pathlib import Path

# Before transformers is imported: a bundle must need nothing from outside.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import numpy as np
import pyarrow.parquet as parquet
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils.logging import disable_progress_bar


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?", help="the bundle (default: RUN/export/bundle)")
    parser.add_argument("--data", type=Path, default=Path("data/runs/quickstart"), metavar="RUN", help="the run's directory (default: %(default)s)")
    parser.add_argument("--texts", type=int, default=200, help="how many texts, spread over the test part; 0: all (default: %(default)s)")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="largest difference of scores (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="rows that torch answers at once, padded (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="torch's threads; 0: its own choice (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args()


def rows_by_id(path: Path) -> dict[int, dict]:
    """The rows of a Parquet file by their ids; a row without an id has its number."""
    rows = parquet.read_table(path).to_pylist()
    return {row.get("id", number): row for number, row in enumerate(rows)}


def spread(ids: list[int], count: int) -> list[int]:
    """`count` of the ids at equal distances, or all."""
    if count <= 0 or count >= len(ids):
        return ids
    return [ids[place] for place in np.linspace(0, len(ids) - 1, count).round().astype(int)]


def centred(scores: np.ndarray) -> np.ndarray:
    return scores - scores.mean(axis=1, keepdims=True)


@torch.inference_mode()
def logits(model, tokenizer, texts: list[str], batch_size: int) -> np.ndarray:
    batches = []
    for start in range(0, len(texts), batch_size):
        batch = tokenizer(texts[start : start + batch_size], padding=True, truncation=True, return_tensors="pt")
        batches.append(model(**batch).logits.double().numpy())
    return np.concatenate(batches)


def compare_tokens(tokenizer, texts: list[str], ours: list[dict]) -> list[int]:
    """The places of the texts whose ids or type ids differ."""
    theirs = tokenizer(texts, truncation=True)
    differing = []
    for place, row in enumerate(ours):
        ids = theirs["input_ids"][place]
        type_ids = theirs["token_type_ids"][place] if "token_type_ids" in theirs else [0] * len(ids)
        if row["ids"] != ids or (row.get("type_ids") or [0] * len(ids)) != type_ids:
            differing.append(place)
    return differing


def check(options: argparse.Namespace) -> dict:
    run = options.data
    bundle = options.bundle or run / "export" / "bundle"
    if not (bundle / "config.json").is_file():
        raise FileNotFoundError(f"{bundle} is no bundle: it has no config.json")
    examples = rows_by_id(run / "split" / "test.parquet")
    tokens = rows_by_id(run / "tokenize" / "test.parquet")
    predictions = rows_by_id(run / "evaluate" / "predictions.parquet")
    if not examples.keys() == tokens.keys() == predictions.keys():
        raise ValueError("split, tokenize and evaluate are not about the same test rows: run the pipeline again")
    ids = spread(list(examples), options.texts)
    texts = [examples[id]["text"] for id in ids]

    tokenizer = AutoTokenizer.from_pretrained(bundle, local_files_only=True)
    model, loading = AutoModelForSequenceClassification.from_pretrained(bundle, local_files_only=True, output_loading_info=True)
    model.eval()
    theirs = logits(model, tokenizer, texts, options.batch_size)
    probabilities = np.array([predictions[id]["probabilities"] for id in ids], dtype=np.float64)
    tiny = np.finfo(np.float32).tiny
    ours = np.log(np.maximum(probabilities, tiny))
    multi_label = model.config.problem_type == "multi_label_classification"
    if multi_label:
        # A sigmoid of float32 is 1 from a score of about 17 on: what is beyond cannot be told from it.
        ours -= np.log(np.maximum(1.0 - probabilities, np.finfo(np.float32).eps))
        differences = np.abs(np.clip(ours, -15, 15) - np.clip(theirs, -15, 15)).max(axis=1)
        their_labels = [list(np.flatnonzero(scores >= 0)) for scores in theirs]
    else:
        differences = np.abs(centred(ours) - centred(theirs)).max(axis=1)
        their_labels = [[label] for label in theirs.argmax(axis=1)]
    changed = [id for id, labels in zip(ids, their_labels) if predictions[id]["predicted"] != labels]
    differing = compare_tokens(tokenizer, texts, [tokens[id] for id in ids])

    labels = json.loads((run / "clean" / "labels.json").read_text())["labels"]
    config = model.config
    names = [config.id2label[index] for index in range(config.num_labels)]
    same_names = names == labels and all(config.label2id[name] == index for index, name in enumerate(names))
    # Every tensor in its place: none made anew, none left over.
    unplaced = sorted(str(name) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for name in loading.get(kind, ()))
    worst = int(differences.argmax())
    return {
        "bundle": str(bundle),
        "architecture": type(model).__name__,
        "tokenizer": type(tokenizer).__name__,
        "texts": len(ids),
        "largest_difference": float(differences[worst]),
        "largest_difference_row": ids[worst],
        "tolerance": options.tolerance,
        "labels_changed": len(changed),
        "rows_with_other_tokens": [ids[place] for place in differing],
        "unplaced_tensors": unplaced,
        "label_maps_equal": same_names,
        "passed": bool(differences[worst] < options.tolerance and not changed and not differing and not unplaced and same_names),
    }


def main() -> int:
    options = arguments()
    disable_progress_bar()
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        result = check(options)
    except (OSError, ValueError, KeyError) as error:
        print(f"error: {error if not isinstance(error, KeyError) else f'there is no {error}'}", file=sys.stderr)
        print("\nhint: `cargo xtask pipeline` makes the run that this reads; `--data` says which", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        for key, value in result.items():
            print(f"{key:24} {value}")
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
