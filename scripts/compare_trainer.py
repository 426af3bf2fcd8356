#!/usr/bin/env python3
"""Compares training speed and memory with transformers and torch on this machine.

Both sides run in alternation, each in a process of its own, over several rounds; the script prints medians and their ratios.

By default it times one training step (forward, loss, backward, clipping, AdamW, schedule; dropout on) of a model with random
weights. Every step gets a fresh batch; token ids follow the frequencies of natural text (Zipf's law), and both sides get the same
ids. With --whole it times a whole fine-tuning instead: here the stages tokenize, train and evaluate; there train_reference.py,
which is Trainer, with the same rows, weights and recipe, and with checkpoints of the same content.

Our sides (--precisions): matrix products in single precision (fp32) or in bfloat16 (bf16). `full` computes the last layer for all
tokens, where otherwise it computes only the one that the head reads: the difference is what that saves.

The baselines (--modes): torch in fp32 as installed; the same with glibc's allocator told to keep its pages, as our programs
do; bf16 autocast; and bf16 autocast with that allocator. Compare equal precisions, with the tuned allocator.

Let nothing else run on the machine. Needs the packages of requirements.txt. Nothing is downloaded except what the configuration of
--whole names.
"""

import argparse
import ctypes
import itertools
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"
RUN = "compare-trainer"


def mmap_threshold() -> int:
    """The value that glibc's `mallopt` takes for M_MMAP_THRESHOLD: older versions ignore more than 32 MiB."""
    taken = platform.libc_ver()[0] != "glibc" or ctypes.CDLL(None).mallopt(-3, 1 << 30)
    return 1 << 30 if taken else 32 << 20


# What `keep_freed_memory` of our programs sets.
KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(mmap_threshold()),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(64 << 20),
    "MALLOC_ARENA_MAX": "1",
}
# By name: the precision of products, and whether the last layer is computed for all tokens.
OURS = {"firebrand": ("fp32", False), "firebrand-bf16": ("bf16", False)}
FULL = {"firebrand-full": ("fp32", True), "firebrand-bf16-full": ("bf16", True)}
# By name: torch's flags, and its environment.
MODES = {
    "fp32": ([], {}),
    "fp32-tuned": ([], KEEP_FREED_MEMORY),
    "bf16": (["--bf16"], {}),
    "bf16-tuned": (["--bf16"], KEEP_FREED_MEMORY),
}


def bert(layers: int, width: int) -> dict:
    return {
        "model_type": "bert", "vocab_size": VOCABULARY, "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": 12,
        "intermediate_size": 4 * width, "max_position_embeddings": 512, "type_vocab_size": 2, "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
    }  # fmt: skip


VOCABULARY, FIRST_WORD, CLS, SEP = 30522, 1000, 101, 102
SHAPES = {"minilm": bert(6, 384), "bert-base": bert(12, 768)}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--modes", nargs="*", choices=MODES, default=list(MODES), help="baselines; none: our sides alone (default: all)")
    add("--precisions", nargs="+", choices=["fp32", "bf16"], default=["fp32", "bf16"], help="of our products (default: both)")
    add("--threads", type=int, nargs="+", default=[2], metavar="N", help="of each side (default: 2)")
    add("--json", action="store_true", help="print one JSON object")
    step = parser.add_argument_group("the training step")
    add = step.add_argument
    add("--shapes", nargs="+", choices=SHAPES, default=["minilm"], help="default: minilm")
    add("--rows", type=int, nargs="+", default=[16], metavar="N", help="rows of a batch (default: 16)")
    add("--lengths", type=int, nargs="+", default=[128, 32], metavar="N", help="tokens of a row, at most 512 (default: 128 32)")
    add("--full", action="store_true", help="also time our sides with the last layer computed for all tokens")
    add("--rounds", type=int, default=5, help="each round is a process of each side (default: %(default)s)")
    add("--warmup", type=int, default=2, help="steps of a round that are not counted (default: %(default)s)")
    add("--steps", type=int, default=10, help="steps of a round that are (default: %(default)s)")
    whole = parser.add_argument_group("the whole fine-tuning")
    add = whole.add_argument
    add("--whole", action="store_true", help="time it, rather than the step")
    add("--config", type=Path, default=ROOT / "configs/quickstart.toml", help="the run's configuration (default: quickstart's)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="over the configuration; run.name is always " + RUN)
    add("--seeds", type=int, nargs="+", default=[42, 43, 44], help="a round each (default: 42 43 44)")
    options = parser.parse_args()
    if min(*options.threads, options.rounds, options.steps, *options.rows, *options.lengths) < 1 or options.warmup < 0:
        parser.error("counts must be at least 1")
    if options.whole and len(options.threads) > 1:
        parser.error("--whole takes one number of threads")
    sides = OURS | (FULL if options.full and not options.whole else {})
    options.ours = {name: side for name, side in sides.items() if side[0] in options.precisions}
    if max(options.lengths) > 512:
        parser.error("the models have 512 positions")
    return options


def run(command: list, threads: int, environment: dict | None = None) -> tuple[str, float, float]:
    """A command's stdout, its seconds, and the largest resident memory, in MiB, of it or any process that it waited for.

    Such a figure can be no less than this process's own memory, which is why nothing large is imported here.
    """
    count = str(threads)
    variables = os.environ | {name: count for name in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    variables |= {"TOKENIZERS_PARALLELISM": "true" if threads > 1 else "false"} | (environment or {})
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as log:
        started = time.perf_counter()
        child = subprocess.Popen([str(word) for word in command], stdout=output, stderr=log, stdin=subprocess.DEVNULL, cwd=ROOT, env=variables)
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except KeyboardInterrupt:
            # It was interrupted as well; it is waited for, so that none goes on behind the prompt.
            child.wait()
            raise
        seconds = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            log.seek(0)
            raise RuntimeError(f"`{' '.join(map(str, command))}` ended with {child.returncode}:\n{log.read()[-4000:]}")
        output.seek(0)
        # In KiB, but on macOS in bytes.
        return output.read(), seconds, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "range": [min(values), max(values)], "rounds": values}


def steps_program() -> str:
    """Builds crates/train/examples/steps.rs in the profile that the stages run in."""
    # Of the whole workspace, so that cargo unites the same features as for the stages, and compiles nothing twice.
    command = ["cargo", "build", "--workspace", "--example", "steps", "--message-format=json"]
    for line in run(command, os.cpu_count())[0].splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "steps":
            return message["executable"]
    raise RuntimeError("cargo built no program `steps`")


def compare_steps(options: argparse.Namespace) -> list[dict]:
    program = steps_program()
    results = []
    with tempfile.TemporaryDirectory() as directory:
        for shape in options.shapes:
            for full in (False, True):
                model = Path(directory) / ("full" if full else "model")
                model.mkdir(exist_ok=True)
                # Classifying the mean over the tokens needs the last layer's output for all of them.
                (model / "config.json").write_text(json.dumps(SHAPES[shape] | ({"classifier_pooling": "mean"} if full else {})))
            for rows, length, threads in itertools.product(options.rows, options.lengths, options.threads):
                results.append(compare_step(options, program, directory, shape, rows, length, threads))
    return results


def write_batches(path: Path, rows: int, length: int, steps: int) -> None:
    """Writes a batch for each step: [CLS], ids drawn by Zipf's law, [SEP]. The same for the same sizes."""
    draw = random.Random(rows * 1_000_003 + length)
    ranks = range(1, VOCABULARY - FIRST_WORD + 1)
    cumulative = list(itertools.accumulate(1 / rank for rank in ranks))
    # Frequent words are not neighbours in the vocabulary.
    words = list(range(FIRST_WORD, VOCABULARY))
    draw.shuffle(words)

    def row() -> list[int]:
        return [CLS, *draw.choices(words, cum_weights=cumulative, k=length - 2), SEP] if length > 2 else [CLS, SEP][:length]

    path.write_text(json.dumps([[row() for _ in range(rows)] for _ in range(steps)]))


def compare_step(options: argparse.Namespace, program: str, directory: str, shape: str, rows: int, length: int, threads: int) -> dict:
    batches = Path(directory) / "batches.json"
    write_batches(batches, rows, length, options.warmup + options.steps)
    model, full = Path(directory) / "model", Path(directory) / "full"
    torch = [sys.executable, SCRIPTS / "torch_steps.py", model, batches, options.warmup, "--threads", threads]
    commands = {
        name: ([program, full if whole_layer else model, batches, options.warmup, precision], {})
        for name, (precision, whole_layer) in options.ours.items()
    }
    commands |= {mode: (torch + MODES[mode][0], MODES[mode][1]) for mode in options.modes}
    milliseconds, memory, answers = {}, {}, {}
    for number in range(options.rounds):
        for name, (command, environment) in commands.items():
            output, _, peak = run(command, threads, environment)
            answers[name] = json.loads(output)
            milliseconds.setdefault(name, []).append(statistics.median(answers[name]["milliseconds"]))
            memory.setdefault(name, []).append(peak)
            say(f"{shape} {rows} x {length}, {threads} threads, round {number + 1} of {options.rounds}: {name} {milliseconds[name][-1]:.0f} ms")
    if len({answer["parameters"] for name, answer in answers.items() if name not in FULL}) != 1:
        raise RuntimeError("the sides trained models of other sizes")
    sides = {
        name: {
            "milliseconds": spread(milliseconds[name]),
            "samples_per_second": rows * 1e3 / statistics.median(milliseconds[name]),
            "peak_rss_mib": spread(memory[name]),
            # Of the first and the last step.
            "losses": answers[name]["losses"],
        }
        for name in commands
    }
    return {
        "shape": shape,
        "rows": rows,
        "length": length,
        "threads": threads,
        "parameters": next(iter(answers.values()))["parameters"],
        "sides": sides,
        "ratios": ratios(sides, {"speed": "milliseconds"}),
    }


def ratios(sides: dict, speeds: dict[str, str]) -> dict:
    """Ratios of medians, by our side and by baseline: how many times faster ours is, and which share of the memory it takes."""
    baselines = {name: side for name, side in sides.items() if name not in OURS | FULL}
    return {
        mine: {
            name: {key: theirs[figure]["median"] / ours[figure]["median"] for key, figure in speeds.items()}
            | {"memory": ours["peak_rss_mib"]["median"] / theirs["peak_rss_mib"]["median"]}
            for name, theirs in baselines.items()
        }
        for mine, ours in sides.items()
        if mine in OURS | FULL
    }


class Firebrand:
    """The stages of the configuration, in a run of this script's own."""

    def __init__(self, options: argparse.Namespace):
        [self.threads] = options.threads
        config = options.config.resolve()
        # The baselines of evaluate have no counterpart in Trainer.
        settings = [*options.set, f"run.name={RUN}", "evaluate.baselines=false", f"tokenize.threads={self.threads}"]
        # Trainer writes checkpoints after each epoch alone.
        settings += ["train.checkpoint_steps=0"]
        self.which = [config, *(word for setting in settings for word in ("--set", setting))]

    def prepare(self) -> None:
        """Makes what both sides begin with."""
        run(["cargo", "xtask", "pipeline", *self.which, "--to", "tokenize"], self.threads)

    def directory(self) -> Path:
        return ROOT / json.loads(run(["cargo", "xtask", "status", *self.which, "--json"], self.threads)[0])["directory"]

    def fine_tuning(self, seed: int, precision: str, directory: Path) -> dict:
        command = ["cargo", "xtask", "pipeline", *self.which, "--from", "tokenize", "--to", "evaluate", "--force"]
        command += ["--set", f"train.seed={seed}", "--set", f"train.precision={precision}"]
        _, seconds, peak = run(command, self.threads)
        return {
            # The stage from its start to its end: loading, validation, checkpoints and writing included.
            "training_seconds": json.loads((directory / "train/manifest.json").read_text())["seconds"],
            # The command, cargo's look at what is built included.
            "end_to_end_seconds": seconds,
            "peak_rss_mib": peak,
            "accuracy": json.loads((directory / "evaluate/metrics.json").read_text())["test"]["accuracy"],
        }


def trainer(mode: str, seed: int, directory: Path, recipe: dict, rows: int, options: argparse.Namespace) -> dict:
    flags, environment = MODES[mode]
    command = [sys.executable, SCRIPTS / "train_reference.py", "--data", directory, "--seeds", seed, "--threads", *options.threads, *flags]
    command += [word for key, value in recipe.items() for word in (f"--{key.replace('_', '-')}", value)]
    output, seconds, peak = run(command, options.threads[0], environment)
    training = json.loads(output)["trainings"][0]
    if training["rows"]["train"] != rows:
        raise ValueError(f"Trainer saw {training['rows']['train']} training rows, the train stage {rows}")
    return {
        # `trainer.train()` alone: without imports, loading and tokenizing.
        "training_seconds": training["seconds"],
        "end_to_end_seconds": seconds,
        "peak_rss_mib": peak,
        "accuracy": training["accuracy"],
    }


def compare_whole(options: argparse.Namespace) -> dict:
    ours = Firebrand(options)
    ours.prepare()
    directory = ours.directory()
    found: dict[str, list[dict]] = {}
    recipe, rows = None, 0
    for number, seed in enumerate(options.seeds):
        # Every round begins with another side, so that none always follows the same one; the first with ours, which tells the recipe.
        sides = [*options.ours, *options.modes]
        turn = number % len(sides)
        for name in sides[turn:] + sides[:turn]:
            figures = ours.fine_tuning(seed, OURS[name][0], directory) if name in OURS else trainer(name, seed, directory, recipe, rows, options)
            if recipe is None:
                recipe, rows = recipe_of(directory)
            found.setdefault(name, []).append(figures)
            say(f"seed {seed}: {name} {figures['training_seconds']:.1f} s, {figures['end_to_end_seconds']:.1f} s end to end, accuracy {figures['accuracy']:.4f}")
    seen = rows * recipe["epochs"]
    sides = {
        name: {key: spread([figures[key] for figures in rounds]) for key in rounds[0]}
        | {"samples_per_second": seen / statistics.median(figures["training_seconds"] for figures in rounds)}
        for name, rounds in found.items()
    }
    speeds = {"training": "training_seconds", "end_to_end": "end_to_end_seconds"}
    return {
        "config": str(options.config),
        "recipe": recipe,
        "training_rows": rows,
        "seeds": options.seeds,
        "sides": sides,
        "ratios": ratios(sides, speeds),
    }


def recipe_of(directory: Path) -> tuple[dict, int]:
    """What train_reference.py is told, and the number of training rows. Refuses what Trainer would not do alike."""
    train = json.loads((directory / "train/manifest.json").read_text())["config"]
    summary = json.loads((directory / "train/summary.json").read_text())
    if summary["stopped_early"]:
        raise ValueError("training stopped early, which Trainer is not told to: set train.early_stopping_patience=0")
    alike = {
        "gradient_checkpointing": False,
        "accumulation_steps": 1, "schedule": "linear", "warmup_steps": 0, "layer_decay": 1.0, "max_grad_norm": 1.0, "adam_beta1": 0.9,
        "adam_beta2": 0.999, "adam_epsilon": 1e-8, "lora_rank": 0, "freeze": [], "restore_best": True, "eval_steps": 0, "eval_batch_size": 64,
        "ema_decay": 0.0, "r_drop": 0.0, "label_smoothing": 0.0, "focal_gamma": 0.0,
        "keep_best": 0, "sort_window": 50, "sampling": "shuffled", "class_weights": "none", "label_weights": {}, "unfreeze_steps": 0,
        "reinit_layers": 0, "find_learning_rate": "off",
        "hidden_dropout": -1.0, "attention_dropout": -1.0, "classifier_dropout": -1.0, "pooling": "", "tokens_per_batch": 0, "devices": 1,
    }  # fmt: skip
    for key, value in alike.items():
        if train.get(key, value) != value:
            raise ValueError(f"train.{key} is {train[key]}; the comparison with Trainer is made with {value}")
    metric = train.get("early_stopping_metric", "loss")
    if metric not in ("loss", "accuracy"):
        raise ValueError(f"train.early_stopping_metric is {metric}; Trainer is told loss or accuracy")
    recipe = {key: train[key] for key in ("epochs", "batch_size", "learning_rate", "warmup_ratio", "weight_decay")}
    recipe["metric"] = metric
    recipe["max_length"] = json.loads((directory / "tokenize/manifest.json").read_text())["config"]["max_length"]
    return recipe, summary["training_rows"]


def instruction_sets() -> str:
    """Those that decide the speed of products, as far as the system tells."""
    information = Path("/proc/cpuinfo")
    flags = set()
    if information.is_file():
        lines = (line.split(":", 1) for line in information.read_text().splitlines() if line.startswith(("flags", "Features")))
        flags = set(next(lines, ("", ""))[1].split())
    known = ["fma", "avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16", "sve"]
    return " ".join(name for name in known if name in flags) or "unknown"


def machine() -> dict:
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        names = [line.split(":", 1)[1].strip() for line in information.read_text().splitlines() if line.startswith("model name")]
        processor = names[0] if names else processor
    versions = {name: metadata.version(name) for name in ("torch", "transformers")}
    return {"processor": processor, "instructions": instruction_sets(), "cores": os.cpu_count(), "load_before": os.getloadavg()[0], "python": platform.python_version()} | versions


def commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip() or "unknown"


def print_table(result: dict) -> None:
    print(", ".join(f"{key} {value}" for key, value in result["machine"].items()) + f", commit {result['commit']}" + f", threads {' '.join(map(str, result['threads']))}")
    for part in result.get("steps", []):
        print(f"\n{part['shape']}, {part['rows']} x {part['length']}, {part['threads']} threads, {part['parameters'] / 1e6:.1f} M parameters")
        print(f"{'':20}{'ms a step':>10}{'range':>18}{'samples/s':>11}{'peak MiB':>10}")
        for name, side in part["sides"].items():
            low, high = side["milliseconds"]["range"]
            print(f"{name:20}{side['milliseconds']['median']:10.1f}{f'{low:.1f}-{high:.1f}':>18}{side['samples_per_second']:11.1f}{side['peak_rss_mib']['median']:10.0f}")
        print_ratios(part["ratios"])
    if "whole" in result:
        whole = result["whole"]
        print(f"\n{whole['config']}, seeds {' '.join(map(str, whole['seeds']))}")
        print(f"{'':20}{'training s':>11}{'end to end s':>14}{'samples/s':>11}{'accuracy':>10}{'range':>16}{'peak MiB':>10}")
        for name, side in whole["sides"].items():
            low, high = side["accuracy"]["range"]
            row = f"{name:20}{side['training_seconds']['median']:11.1f}{side['end_to_end_seconds']['median']:14.1f}{side['samples_per_second']:11.1f}"
            row += f"{side['accuracy']['median']:10.4f}{f'{low:.4f}-{high:.4f}':>16}{side['peak_rss_mib']['median']:10.0f}"
            print(row)
        print_ratios(whole["ratios"])


def print_ratios(found: dict) -> None:
    for ours, baselines in found.items():
        for name, values in baselines.items():
            told = [f"{value:.2f} times its speed" + (f" ({key})" if key != "speed" else "") for key, value in values.items() if key != "memory"]
            print(f"{ours} against {name}: {', '.join(told)}, {values['memory']:.2f} of its memory")


def main() -> int:
    options = arguments()
    tuned = [mode for mode in options.modes if MODES[mode][1]]
    if tuned and platform.libc_ver()[0] != "glibc":
        say(f"no {' and '.join(tuned)}: only glibc's allocator is told so")
        options.modes = [mode for mode in options.modes if mode not in tuned]
    result = {"threads": options.threads}
    try:
        result = {"machine": machine(), "commit": commit()} | result
        if options.whole:
            result["whole"] = compare_whole(options)
        else:
            result["steps"] = compare_steps(options)
    except (OSError, ValueError, RuntimeError, metadata.PackageNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print_table(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
