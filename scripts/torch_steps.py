#!/usr/bin/env python3
"""Times training steps in torch of a transformers model with random weights, as crates/train/examples/steps.rs does in
Firebrand, on the same batches and with the same JSON as result; `compare_trainer.py` runs both.

A step is Trainer's: zeroed gradients, forward with loss and dropout, backward, clipping to norm 1, the AdamW that Trainer
uses by default (fused), weight decay except for biases and norms, and a linear schedule.
"""

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, get_linear_schedule_with_warmup, set_seed
from transformers.trainer_pt_utils import get_parameter_names


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="where the model's config.json is")
    parser.add_argument("batches", type=Path, help="JSON: token ids of each row of each step's batch")
    parser.add_argument("warmup", type=int, help="steps that are not counted")
    parser.add_argument("--threads", type=int, default=2, help="torch's threads (default: %(default)s)")
    parser.add_argument("--bf16", action="store_true", help="under torch.autocast in bfloat16")
    return parser.parse_args()


def tensors_of(ids: list[list[int]]) -> dict[str, torch.Tensor]:
    rows, length = len(ids), len(ids[0])
    return {
        "input_ids": torch.tensor(ids),
        "token_type_ids": torch.zeros(rows, length, dtype=torch.long),
        "attention_mask": torch.ones(rows, length, dtype=torch.long),
        "labels": torch.arange(rows) % 2,
    }


def optimizer_of(model: torch.nn.Module) -> torch.optim.Optimizer:
    """As Trainer.create_optimizer with its defaults and the recipe's weight decay."""
    no_decay = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]
    decayed = set(get_parameter_names(model, [torch.nn.LayerNorm], no_decay))
    named = list(model.named_parameters())
    groups = [
        {"params": [values for name, values in named if name in decayed], "weight_decay": 0.01},
        {"params": [values for name, values in named if name not in decayed], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=5e-5, betas=(0.9, 0.999), eps=1e-8, fused=True)


def measure(options: argparse.Namespace) -> dict:
    torch.set_num_threads(options.threads)
    set_seed(1)
    model = AutoModelForSequenceClassification.from_config(AutoConfig.from_pretrained(options.directory))
    model.train()
    batches = [tensors_of(ids) for ids in json.loads(options.batches.read_text())]
    optimizer = optimizer_of(model)
    scheduler = get_linear_schedule_with_warmup(optimizer, -(-len(batches) // 10), len(batches))
    milliseconds, losses = [], []
    for step, batch in enumerate(batches):
        started = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.bf16):
            loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step >= options.warmup:
            milliseconds.append((time.perf_counter() - started) * 1e3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "milliseconds": milliseconds,
        "losses": [losses[0], losses[-1]],
        "parameters": sum(values.numel() for values in model.parameters()),
        # In KiB, but on macOS in bytes.
        "peak_rss_mib": peak / (2**20 if sys.platform == "darwin" else 2**10),
    }


if __name__ == "__main__":
    print(json.dumps(measure(arguments())))
