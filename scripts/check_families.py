#!/usr/bin/env python3
"""Does transformers load what Firebrand saves, for every family? Loads each directory that the round-trip test left, with
AutoModelForSequenceClassification, and compares its scores with those of the golden fixture. Prints a table and ends with 1
where a tensor is missing, left over or of another shape, or a score differs by more than the limit.

    FIREBRAND_ROUND_TRIP=/tmp/saved cargo test -p firebrand-model --test suite round_trip::every_family
    python3 scripts/check_families.py /tmp/saved

Needs torch and transformers. Nothing is downloaded.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from transformers import AutoModelForSequenceClassification
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

GOLDEN = Path(__file__).resolve().parent.parent / "crates/model/tests/golden/models"


def check(saved: Path, golden: Path) -> tuple[str, str, float, list[str]]:
    model, info = AutoModelForSequenceClassification.from_pretrained(
        saved, output_loading_info=True, attn_implementation="eager"
    )
    model.eval()
    expected = json.loads((golden / saved.name / "expected.json").read_text())
    # One fixture shares the inputs of another.
    source = expected if "inputs" in expected else json.loads((golden / saved.name.split("-")[0] / "expected.json").read_text())
    inputs = {name: torch.tensor(values) for name, values in source["inputs"].items()}
    mask = inputs["attention_mask"].bool()
    rows = []
    with torch.no_grad():
        for row in range(len(mask)):
            alone = {name: values[row][mask[row]].unsqueeze(0) for name, values in inputs.items()}
            rows.append(model(**alone).logits[0])
    reference = torch.tensor(expected["logits_each_row_alone_unpadded"])
    difference = (torch.stack(rows) - reference).abs().max().item()
    problems = [f"{kind}: {sorted(map(str, names))}" for kind, names in info.items() if names]
    return type(model).__name__, str(sum(p.numel() for p in model.parameters())), difference, problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("saved", type=Path, help="the directory that FIREBRAND_ROUND_TRIP named")
    parser.add_argument("--golden", type=Path, default=GOLDEN, help="the fixtures (default: those of crates/model)")
    parser.add_argument("--limit", type=float, default=1e-5, help="largest difference of a score (default: %(default)s)")
    options = parser.parse_args()
    set_verbosity_error()
    disable_progress_bar()
    bad = 0
    found = sorted(path for path in options.saved.iterdir() if (path / "config.json").is_file())
    if not found:
        print(f"{options.saved} holds no saved model", file=sys.stderr)
        return 1
    for saved in found:
        name, parameters, difference, problems = check(saved, options.golden)
        wrong = bool(problems) or not difference <= options.limit
        bad += wrong
        print(f"{saved.name:24} {name:38} {parameters:>8} {difference:.1e} {'BAD' if wrong else 'ok'}")
        for problem in problems:
            print(f"    {problem}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
