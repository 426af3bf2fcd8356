#!/usr/bin/env python3
"""What would transformers' Trainer make of the same data? Fine-tunes the run's pretrained weights on the run's own split,
with the recipe of configs/default.toml, and prints the test part's figures and the speed as JSON.

The recipe: AdamW (eps 1e-8, weight decay but for biases and norms), linear warm-up and decay, gradients clipped to norm 1,
batches of texts of similar length padded to their longest, validation after every epoch, and the weights of the best validation
(--metric). Trainer itself runs it; nothing here is a copy of it. Nothing is downloaded.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pyarrow.parquet as parquet
import torch
from sklearn.metrics import accuracy_score, f1_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.utils.logging import disable_progress_bar, set_verbosity_error


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=Path, default=Path("data/runs/quickstart"), metavar="RUN", help="the run's directory (default: %(default)s)")
    add("--model", type=Path, help="the pretrained model (default: RUN/fetch/pretrained)")
    add("--seeds", type=int, nargs="+", default=[42], help="one training each (default: 42)")
    add("--threads", type=int, default=2, help="torch's threads (default: %(default)s)")
    add("--epochs", type=float, default=3, help="default: %(default)s")
    add("--batch-size", type=int, default=16, help="default: %(default)s")
    add("--learning-rate", type=float, default=5e-5, help="default: %(default)s")
    add("--warmup-ratio", type=float, default=0.1, help="default: %(default)s")
    add("--weight-decay", type=float, default=0.01, help="default: %(default)s")
    add("--metric", choices=["loss", "accuracy"], default="loss", help="of the validation: whose best weights are kept (default: %(default)s)")
    add("--max-length", type=int, default=128, help="in tokens, special tokens included (default: %(default)s)")
    add("--train-rows", type=int, default=0, help="only the first so many training rows; 0: all (default: %(default)s)")
    add("--bf16", action="store_true", help="under bf16 autocast")
    add("--save", type=Path, metavar="DIR", help="keep the last seed's model here")
    return parser.parse_args()


class Rows(torch.utils.data.Dataset):
    """Tokenized rows of a part."""

    def __init__(self, path: Path, tokenizer, max_length: int, limit: int = 0):
        rows = parquet.read_table(path, columns=["text", "labels"]).to_pylist()
        rows = rows[:limit] if limit else rows
        encoded = tokenizer([row["text"] for row in rows], truncation=True, max_length=max_length)
        self.labels = [row["labels"][0] for row in rows]
        self.rows = [
            {key: encoded[key][place] for key in encoded} | {"labels": label} for place, label in enumerate(self.labels)
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict:
        return self.rows[place]


class LastCheckpointHoldsTheModelOnly(TrainerCallback):
    """Leaves the optimiser's state out of the last checkpoint, as Firebrand does: nothing would ever resume from it."""

    def on_step_end(self, args, state, control, **_):
        args.save_only_model = state.global_step >= state.max_steps


def labels_of(run: Path) -> list[str]:
    return json.loads((run / "clean" / "labels.json").read_text())["labels"]


def train(seed: int, options: argparse.Namespace, work: str) -> dict:
    set_seed(seed)
    source = options.model or options.data / "fetch" / "pretrained"
    if not (source / "config.json").is_file():
        raise FileNotFoundError(f"{source} is no model: it has no config.json")
    tokenizer = AutoTokenizer.from_pretrained(source)
    names = labels_of(options.data)
    parts = {
        "train": Rows(parts_file(options.data, "train"), tokenizer, options.max_length, options.train_rows),
        "validation": Rows(parts_file(options.data, "validation"), tokenizer, options.max_length),
        "test": Rows(parts_file(options.data, "test"), tokenizer, options.max_length),
    }
    model = AutoModelForSequenceClassification.from_pretrained(
        source, num_labels=len(names), id2label=dict(enumerate(names)), label2id={name: index for index, name in enumerate(names)}
    )
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=work,
            num_train_epochs=options.epochs,
            per_device_train_batch_size=options.batch_size,
            per_device_eval_batch_size=64,
            learning_rate=options.learning_rate,
            # Below 1 it is a share of all steps.
            warmup_steps=options.warmup_ratio,
            weight_decay=options.weight_decay,
            adam_epsilon=1e-8,
            max_grad_norm=1.0,
            lr_scheduler_type="linear",
            train_sampling_strategy="group_by_length",
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=1,
            load_best_model_at_end=True,
            metric_for_best_model=f"eval_{options.metric}",
            seed=seed,
            use_cpu=True,
            bf16=options.bf16,
            dataloader_pin_memory=False,
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=parts["train"],
        eval_dataset=parts["validation"],
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
        compute_metrics=lambda answers: {"accuracy": accuracy_score(answers.label_ids, answers.predictions.argmax(axis=1))},
    )
    trainer.add_callback(LastCheckpointHoldsTheModelOnly())
    # Trainer prints its losses on stdout, which is for the JSON.
    trainer.remove_callback(PrinterCallback)
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
    # Grouping by length reorders what is predicted too: only Trainer's own labels are in the order of its predictions.
    answers = trainer.predict(parts["test"])
    truth, predicted = answers.label_ids, answers.predictions.argmax(axis=1)
    if sorted(truth) != sorted(parts["test"].labels):
        raise ValueError("Trainer predicted other rows than the test part's")
    if options.save:
        trainer.save_model(str(options.save))
    return {
        "seed": seed,
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro_f1": float(f1_score(truth, predicted, average="macro", labels=range(len(names)), zero_division=0)),
        "validation_losses": [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry],
        # With validation and saving, as a user waits for it.
        "seconds": round(seconds, 1),
        "samples_per_second": round(len(parts["train"]) * options.epochs / seconds, 1),
        "rows": {name: len(part) for name, part in parts.items()},
    }


def parts_file(run: Path, part: str) -> Path:
    """Training rows come from augment, which is split's own file by default."""
    return run / ("augment" if part == "train" else "split") / f"{part}.parquet"


def main() -> int:
    options = arguments()
    set_verbosity_error()
    disable_progress_bar()
    torch.set_num_threads(options.threads)
    results = []
    try:
        for seed in options.seeds:
            with tempfile.TemporaryDirectory() as work:
                results.append(train(seed, options, work))
            print(f"seed {seed}: accuracy {results[-1]['accuracy']:.4f} in {results[-1]['seconds']} s", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        print("\nhint: `cargo xtask pipeline` makes the run that this reads; `--data` says which", file=sys.stderr)
        return 2
    accuracies = [result["accuracy"] for result in results]
    summary = {
        "threads": options.threads,
        "mean_accuracy": statistics.fmean(accuracies),
        "accuracy_range": [min(accuracies), max(accuracies)],
        "mean_macro_f1": statistics.fmean(result["macro_f1"] for result in results),
        "trainings": results,
    }
    print(json.dumps(summary, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
