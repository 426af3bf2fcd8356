#!/usr/bin/env python3
"""Compares our engine's speed, memory and answers with other engines' on this machine's processor, for one text classifier.

The peers: PyTorch, ONNX Runtime, OpenVINO and CTranslate2, each in every variant that might be its fastest (`--list`). All have the
same number of threads. Each engine is a process of its own, stopped (SIGSTOP) while it is not its turn, so that no other's threads
take time from it. In a round every engine has one turn; rounds go through the engines forward and backward in alternation.
Figures are medians over rounds, and ratios are ratios of these medians, with the best variant of each peer.

Measured: calls of ROWSxTOKENS random ids without padding, the lines of a text file with and without tokenizing (the peers get them
sorted by length, in batches padded to the longest row), peak memory, and loading. Compared: labels and logits with PyTorch's in
fp32, and the logits of a text alone with those of the same text among others.

MODEL is a directory in the hub's layout: a bundle of ours, or config.json, model.safetensors and tokenizer.json. With --shape the
model measured has random weights in that shape and MODEL's tokenizer; only its times mean anything.

Exports are made once, in --work. Let nothing else run on the machine. Needs the packages of requirements-engines.txt, and Linux.
Nothing is downloaded.
"""

import argparse
import contextlib
import fnmatch
import hashlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from importlib import metadata
from pathlib import Path

from compare_trainer import commit, machine
from engines.peers import EXPORTS, OPTIONAL, PEERS, REFERENCE

SCRIPTS = Path(__file__).resolve().parent
ROOT = SCRIPTS.parent
OURS = "firebrand"
LIBRARIES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "ctranslate2": "CTranslate2", "torch": "PyTorch"}
PACKAGES = ["torch", "transformers", "tokenizers", "numpy", "onnxruntime", "onnx", "onnxscript", "openvino", "nncf", "ctranslate2"]
SHAPES = ["bert-base"]


class EngineError(Exception):
    """Why an engine is left out."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("model", type=Path, nargs="?", metavar="MODEL", help="the classifier's directory")
    add("texts", type=Path, nargs="?", metavar="TEXTS", help="UTF-8, a text a line")
    add("--labels", type=Path, metavar="FILE", help="the texts' true labels, a name a line: adds a column with accuracies")
    add("--shape", choices=SHAPES, help="measure random weights in this shape instead of MODEL's")
    add("--work", type=Path, metavar="DIR", help="for exports (default: data/compare-engines/ and the model's name or shape)")
    add("--ours", default="build", metavar="PROGRAM", help="our engine_worker; build: cargo builds it; none: peers alone (default: build)")
    add("--precisions", nargs="+", default=["int8", "fp32"], metavar="P", help="of ours (default: int8 fp32)")
    add("--engines", nargs="+", default=["*"], metavar="NAME", help="peers, by name or pattern as in 'ort-*' (default: all that the processor can)")
    add("--threads", type=int, default=2, help="of each engine (default: %(default)s)")
    add("--rounds", type=int, default=5, help="default: %(default)s")
    add("--shapes", nargs="*", default=["16x128", "1x128", "1x16"], metavar="RxT", help="rows and tokens of a call (default: 16x128 1x128 1x16)")
    add("--seconds", type=float, default=1.0, help="of an engine at a shape in a round, at least one call (default: %(default)s)")
    add("--warm", type=int, default=2, help="calls before these that are not counted (default: %(default)s)")
    add("--limit", type=int, default=1000, help="texts taken from the file (default: %(default)s)")
    add("--alone", type=int, default=64, help="texts also scored alone (default: %(default)s)")
    add("--batch", type=int, default=32, help="rows in the peers' batches of texts (default: %(default)s)")
    add("--max-length", type=int, help="the peers' longest row of tokens (default: what the tokenizer's configuration says, which ours follows)")
    add("--patience", type=float, default=600, metavar="S", help="an engine whose answer takes longer is left out (default: %(default)s)")
    add("--fresh", action="store_true", help="a new process for every turn rather than a stopped one, where memory does not hold all")
    add("--peak", type=float, metavar="GOPS", help="int8 peak of these threads in 10^9 operations/s: adds our share of it")
    add("--json", type=Path, metavar="FILE", help="also write everything here, each round included")
    add("--tiny", action="store_true", help="only to see that all engines run: one short round over few texts")
    add("--prepare-only", action="store_true", help="make the exports and end")
    add("--list", action="store_true", help="show the peers and end")
    options = parser.parse_args()
    if options.list:
        return options
    if options.model is None or options.texts is None:
        parser.error("MODEL and TEXTS are needed")
    for name in options.shapes:
        rows, _, tokens = name.partition("x")
        if not (rows.isdecimal() and tokens.isdecimal() and int(rows) and int(tokens)):
            parser.error(f"--shapes: {name} is not like 16x128")
    if min(options.threads, options.rounds, options.limit, options.alone, options.batch) < 1 or options.warm < 0:
        parser.error("counts must be at least 1")
    unknown = [pattern for pattern in options.engines if not fnmatch.filter(PEERS, pattern)]
    if unknown:
        parser.error(f"--engines: no peer is called {unknown[0]}; --list shows them")
    if options.tiny:
        options.rounds, options.seconds, options.warm, options.alone = 1, 0.05, 1, 8
        options.limit = min(options.limit, 48)
    options.work = (options.work or ROOT / "data/compare-engines" / (options.shape or options.model.resolve().name)).resolve()
    options.model, options.texts = options.model.resolve(), options.texts.resolve()
    return options


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# Preparation


def export(file: str, options: argparse.Namespace) -> dict:
    command = [sys.executable, "-m", "engines.exports", file, options.model, "--work", options.work]
    command += ["--texts", options.texts, "--max-length", options.max_length or 128]
    result = subprocess.run([str(word) for word in command], cwd=SCRIPTS, capture_output=True, text=True)
    if result.returncode != 0:
        raise EngineError((result.stderr.strip().splitlines() or [f"ended with {result.returncode}"])[-1])
    return json.loads(result.stdout)


def use_shape(options: argparse.Namespace) -> None:
    """Makes the model with random weights and puts it in MODEL's place."""
    work, options.work = options.work, options.work / "model"
    if not (options.work / "model.safetensors").is_file():
        say(f"making a model in the shape of {options.shape}")
        export(f"shape:{options.shape}", options)
    options.model, options.work = options.work, work


def take_texts(options: argparse.Namespace) -> int:
    """Writes the texts that are used into the work directory, so that every engine reads the same ones; returns their number."""
    lines = [line for line in options.texts.read_text(encoding="utf-8").split("\n") if line.strip()][: options.limit]
    if not lines:
        raise ValueError(f"{options.texts} has no texts")
    options.texts = options.work / "texts.txt"
    options.texts.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return len(lines)


def versions() -> dict:
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def fingerprint(options: argparse.Namespace) -> str:
    """Of what the exports are made of: the model and the packages."""
    hashed = hashlib.sha256(json.dumps([versions(), options.max_length]).encode())
    for path in sorted(options.model.iterdir()):
        if path.suffix in (".json", ".safetensors", ".bin", ".txt"):
            with path.open("rb") as file:
                hashed.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return hashed.hexdigest()


def prepare(options: argparse.Namespace, names: list[str]) -> dict[str, dict]:
    """Makes the files that the peers need and that are not there. By file: facts about it, or its error."""
    notes_path, mark = options.work / "exports.json", fingerprint(options)
    notes = json.loads(notes_path.read_text()) if notes_path.is_file() else {}
    if notes.get("of") != mark:
        # Of another model, or by other versions.
        for file in EXPORTS:
            path = options.work / file
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        notes = {"of": mark, "files": {}}
    needed: dict[str, None] = {}

    def need(file: str) -> None:
        for source in EXPORTS[file]:
            need(source)
        needed[file] = None

    for name in names:
        if PEERS[name].file:
            need(PEERS[name].file)
    for file in needed:
        if file in notes["files"] and "error" not in notes["files"][file] and (options.work / file).exists():
            continue
        missing = [source for source in EXPORTS[file] if "error" in notes["files"].get(source, {}) and source not in OPTIONAL]
        started = time.perf_counter()
        try:
            if missing:
                raise EngineError(f"there is no {missing[0]} to make it of")
            notes["files"][file] = export(file, options) | {"seconds": round(time.perf_counter() - started, 1)}
        except EngineError as error:
            notes["files"][file] = {"error": str(error)}
        say(f"export {file}: {notes['files'][file]}")
        notes_path.write_text(json.dumps(notes, indent=2) + "\n")
    return notes["files"]


def our_program(options: argparse.Namespace) -> Path | None:
    if options.ours == "none":
        return None
    if options.ours != "build":
        path = Path(options.ours).resolve()
        if not path.is_file():
            raise FileNotFoundError(f"--ours: there is no {path}")
        return path
    say("building engine_worker")
    command = ["cargo", "build", "--release", "--package", "firebrand-infer", "--example", "engine_worker", "--message-format=json"]
    built = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        raise RuntimeError(f"`{' '.join(command)}` ended with {built.returncode}")
    for message in map(json.loads, built.stdout.splitlines()):
        if message.get("executable") and message["target"]["name"] == "engine_worker":
            return Path(message["executable"])
    raise RuntimeError("cargo built no program `engine_worker`")


# Engines


class Engine:
    """An engine's process, which runs only during its turns."""

    def __init__(self, name: str, command: list, options: argparse.Namespace):
        self.name, self.fresh, self.patience = name, options.fresh, options.patience
        self.command = [str(word) for word in command]
        streams = name in PEERS and PEERS[name].streams
        self.environment = os.environ | {
            "OMP_NUM_THREADS": "1" if streams else str(options.threads),
            "MKL_NUM_THREADS": "1" if streams else str(options.threads),
            # The tokenizer's.
            "RAYON_NUM_THREADS": str(options.threads),
            "TOKENIZERS_PARALLELISM": "true" if options.threads > 1 else "false",
        }
        self.process = None
        # By loading: what the process says, and the seconds from its start to then.
        self.load_seconds, self.start_seconds = [], []

    @property
    def precision(self) -> str:
        return PEERS[self.name].precision if self.name in PEERS else self.name.removeprefix(OURS + "-")

    @contextlib.contextmanager
    def turn(self):
        if self.process is None:
            self.start()
        else:
            self.process.send_signal(signal.SIGCONT)
        try:
            yield self
        finally:
            if self.fresh:
                self.close()
            else:
                self.stop()

    def start(self) -> None:
        started = time.perf_counter()
        self.process = subprocess.Popen(self.command, cwd=SCRIPTS, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.load_seconds.append(self.answer()["load_s"])
        self.start_seconds.append(time.perf_counter() - started)

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGSTOP)
        # Returns once it has stopped or ended, and leaves its status to Popen.
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def ask(self, **command) -> dict:
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise EngineError(f"ended with {self.process.wait()}") from None
        return self.answer()

    def answer(self) -> dict:
        # A library that waits for itself must not hold up all the others.
        asked, alarm = time.perf_counter(), threading.Timer(self.patience, self.process.kill)
        alarm.start()
        line = self.process.stdout.readline()
        alarm.cancel()
        if not line:
            late = time.perf_counter() - asked >= self.patience
            raise EngineError(f"gave no answer in {self.patience:.0f} s" if late else f"ended with {self.process.wait()}")
        try:
            answer = json.loads(line)
        except json.JSONDecodeError:
            raise EngineError(f"answered {line[:80]!r}, which is not JSON") from None
        if "error" in answer:
            raise EngineError(answer["error"])
        return answer

    def close(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def engines_of(options: argparse.Namespace, names: list[str], program: Path | None) -> list[Engine]:
    ours = []
    for precision in options.precisions if program else []:
        command = [program, options.model, "--precision", precision, "--threads", options.threads]
        ours.append(Engine(f"{OURS}-{precision}", command, options))
    peer = [sys.executable, "-m", "engines.worker"]
    how = [options.model, "--work", options.work, "--threads", options.threads, "--batch", options.batch, "--max-length", options.max_length]
    return ours + [Engine(name, [*peer, name, *how], options) for name in names]


def chosen(options: argparse.Namespace, skipped: dict) -> list[str]:
    """The peers' names, the reference first of all."""
    information = Path("/proc/cpuinfo").read_text()
    names = [name for name in PEERS if any(fnmatch.fnmatch(name, pattern) for pattern in options.engines) or name == REFERENCE]
    for name in list(names):
        flag = PEERS[name].cpu_flag
        if flag and flag not in information and name not in options.engines:
            skipped[name] = f"this processor has no {flag}"
            names.remove(name)
    return names


class Measurements:
    """What the engines' turns give, by engine's name. An engine that fails is left out from then on."""

    def __init__(self, options: argparse.Namespace, engines: list[Engine], skipped: dict):
        self.options, self.engines, self.skipped = options, engines, skipped
        self.answers: dict[str, dict] = {}
        self.rounds: dict[str, dict[str, list]] = {engine.name: {} for engine in engines}

    def each(self, engines: list[Engine], what) -> None:
        for engine in engines:
            if engine.name in self.skipped:
                continue
            try:
                with engine.turn():
                    what(engine)
            except EngineError as error:
                self.skipped[engine.name] = str(error)
                say(f"{engine.name} is left out: {error}")
                engine.close()

    def run(self) -> None:
        try:
            # Programs and models come into the page cache, so that the next start measures loading rather than the disk.
            self.each(self.engines, Engine.close)
            self.each(self.engines, self.first_turn)
            for number in range(self.options.rounds):
                started = time.perf_counter()
                self.each(self.engines[:: 1 if number % 2 == 0 else -1], self.turn)
                say(f"round {number + 1} of {self.options.rounds}: {time.perf_counter() - started:.0f} s")
        finally:
            for engine in self.engines:
                engine.close()

    def texts(self) -> dict:
        return {"texts": str(self.options.texts), "limit": self.options.limit}

    def first_turn(self, engine: Engine) -> None:
        path = self.options.work / f"logits-{engine.name}.json"
        facts = engine.ask(cmd="logits", alone=self.options.alone, to=str(path), **self.texts())
        self.answers[engine.name] = json.loads(path.read_text()) | facts
        say(f"{engine.name}: loaded in {engine.load_seconds[-1]:.2f} s")

    def turn(self, engine: Engine) -> None:
        options, rounds = self.options, self.rounds[engine.name]
        for shape in options.shapes:
            rows, tokens = map(int, shape.split("x"))
            answer = engine.ask(cmd="shape", b=rows, s=tokens, warm=options.warm, seconds=options.seconds, max=400)
            rounds.setdefault(f"{shape} ms", []).append(statistics.median(answer["ms"]))
            rounds.setdefault(f"{shape} cpu_per_wall", []).append(answer["cpu_per_wall"])
        answer = engine.ask(cmd="texts", **self.texts())
        rounds.setdefault("texts s", []).append(answer["s"])
        rounds.setdefault("texts with tokenizing s", []).append(answer["with_tokenizing_s"])
        rounds.setdefault("texts cpu_per_wall", []).append(answer["cpu_per_wall"])
        # The largest so far, so the last one counts.
        answer = engine.ask(cmd="memory")
        rounds.setdefault("peak MiB", []).append(answer["peak_rss_mib"])
        rounds.setdefault("MiB before the engine", []).append(answer.get("before_engine_mib", 0.0))


# Results


def labels_of(scores: list[float], multi_label: bool) -> list[int]:
    if multi_label:
        return [label for label, score in enumerate(scores) if score > 0]
    return [max(range(len(scores)), key=scores.__getitem__)]


def difference(rows: list[list[float]], others: list[list[float]]) -> float:
    return max(abs(one - other) for row, beside in zip(rows, others) for one, other in zip(row, beside))


def summaries(measured: Measurements, config: dict, truth: list[str] | None) -> dict[str, dict]:
    """By engine: medians, and how its answers compare with the reference's."""
    multi_label = config.get("problem_type") == "multi_label_classification"
    names = {int(index): str(name) for index, name in config.get("id2label", {}).items()}
    if REFERENCE in measured.skipped:
        raise RuntimeError(f"{REFERENCE}, with which all are compared, failed: {measured.skipped[REFERENCE]}")
    wanted = measured.answers[REFERENCE]["full"]
    result = {}
    for engine in measured.engines:
        if engine.name in measured.skipped:
            continue
        full, alone = measured.answers[engine.name]["full"], measured.answers[engine.name]["alone"]
        if len(full) != len(wanted):
            measured.skipped[engine.name] = f"scored {len(full)} texts of {len(wanted)}"
            continue
        labels = [labels_of(scores, multi_label) for scores in full]
        same = [found == labels_of(scores, multi_label) for found, scores in zip(labels, wanted)]
        rounds = measured.rounds[engine.name]
        summary = {key: statistics.median(values) for key, values in rounds.items()}
        summary |= {
            "precision": engine.precision,
            "peak MiB": max(rounds["peak MiB"]),
            "texts/s": len(full) / summary["texts s"],
            "texts/s with tokenizing": len(full) / summary["texts with tokenizing s"],
            "same labels": statistics.fmean(same),
            "largest logit difference": difference(full, wanted),
            "alone: largest logit difference": difference(alone, full),
            "alone: labels changed": sum(labels_of(scores, multi_label) != found for scores, found in zip(alone, labels)),
            "load s": min(engine.load_seconds),
            "start s": min(engine.start_seconds),
            "rounds": rounds,
        }
        if truth is not None:
            summary["accuracy"] = statistics.fmean([names.get(label) for label in found] == [name] for found, name in zip(labels, truth))
        result[engine.name] = summary
    return result


def figures_of(options: argparse.Namespace) -> dict[str, str]:
    """The figures whose ratios are taken, by key; less is better in all."""
    shapes = {f"{shape} ms": f"{shape.replace('x', ' × ')}, ms" for shape in options.shapes}
    return shapes | {"texts s": "texts, s", "texts with tokenizing s": "texts with tokenizing, s", "peak MiB": "peak memory, MiB"}


def ratios(found: dict[str, dict], figures: dict[str, str]) -> dict:
    """By our engine, figure and library ("best": all of them): the best variant, its figure, and how many times ours that is.

    Ours in fp32 is compared with fp32 alone; a lower precision of ours with every precision.
    """
    result = {}
    for name, ours in found.items():
        if name in PEERS:
            continue
        rivals = [rival for rival in found if rival in PEERS and (ours["precision"] != "fp32" or PEERS[rival].precision == "fp32")]
        result[name] = {}
        for figure in figures:
            groups = {library: [rival for rival in rivals if PEERS[rival].library == library] for library in LIBRARIES} | {"best": rivals}
            row = {}
            for group, members in groups.items():
                if members:
                    best = min(members, key=lambda rival: found[rival][figure])
                    row[group] = {"engine": best, "figure": found[best][figure], "ratio": found[best][figure] / ours[figure]}
            result[name][figure] = {"ours": ours[figure]} | row
    return result


def operations(config: dict, rows: int, tokens: int) -> tuple[float, float] | None:
    """10^9 additions and multiplications of a whole encoder like BERT's: in linear layers, and between queries, keys and values."""
    layers, width, wide = (config.get(key) for key in ("num_hidden_layers", "hidden_size", "intermediate_size"))
    if not (layers and width and wide):
        return None
    return 2 * rows * tokens * layers * (4 * width**2 + 2 * width * wide) / 1e9, 4 * rows * tokens**2 * layers * width / 1e9


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def small(value: float) -> str:
    return "0" if value == 0 else f"{value:.1e}" if value < 0.001 else f"{value:.4f}"


def engines_table(result: dict) -> str:
    shapes, timing_only = result["options"]["shapes"], result["options"]["shape"]
    header = ["engine", *(f"{shape.replace('x', ' × ')}, ms" for shape in shapes), "texts/s", "with tokenizing"]
    if not timing_only:
        header += ["labels as torch fp32", "largest logit difference"]
    header += ["alone against batched, logits", "peak MiB", "load, s", "CPU/wall"]
    with_accuracy = any("accuracy" in one for one in result["engines"].values()) and not timing_only
    if with_accuracy:
        header.append("accuracy")
    rows = []
    for name, one in result["engines"].items():
        row = [name, *(number(one[f"{shape} ms"]) for shape in shapes), number(one["texts/s"]), number(one["texts/s with tokenizing"])]
        if not timing_only:
            row += [f"{100 * one['same labels']:.2f} %", small(one["largest logit difference"])]
        row += [small(one["alone: largest logit difference"]), f"{one['peak MiB']:.0f}", f"{one['load s']:.2f}", f"{one['texts cpu_per_wall']:.2f}"]
        if with_accuracy:
            row.append(f"{100 * one['accuracy']:.2f} %")
        rows.append(row)
    return table(header, rows)


def ratios_table(ours: dict, figures: dict[str, str]) -> str:
    groups = [group for group in [*LIBRARIES, "best"] if all(group in row for row in ours.values())]
    rows = []
    for figure, title in figures.items():
        found = [ours[figure][group] for group in groups]
        rows.append([title, number(ours[figure]["ours"]), *(f"{one['ratio']:.2f} ({one['engine']}, {number(one['figure'])})" for one in found)])
    return table(["", "ours", *(LIBRARIES.get(group, "best of all") for group in groups)], rows)


def print_markdown(result: dict, config: dict) -> None:
    options, about = result["options"], result["texts"]
    facts = result["machine"] | result["versions"]
    print(", ".join(f"{key} {value}" for key, value in facts.items()) + f", commit {result['commit']}, threads {options['threads']}, rounds {options['rounds']}")
    shape = f" (random weights, {options['shape']})" if options["shape"] else ""
    print(f"\n{result['model']}{shape}; {about['count']} texts of {about['mean_tokens']:.1f} tokens; the peers' batches are {100 * about['padding']:.1f} % padding\n")
    print(engines_table(result))
    figures = figures_of(argparse.Namespace(**options))
    for name, ours in result["ratios"].items():
        print(f"\n{name}: the figure of each peer's best variant as a multiple of ours (the variant, and the figure itself)\n")
        print(ratios_table(ours, figures))
    print_operations(result, config)
    if result["skipped"]:
        print("\nNot measured:\n")
    for name, reason in result["skipped"].items():
        print(f"- {name}: {reason}")


def print_operations(result: dict, config: dict) -> None:
    for shape in result["options"]["shapes"][:1]:
        counted = operations(config, *map(int, shape.split("x")))
        if counted is None:
            continue
        print(f"\n{shape.replace('x', ' × ')}: {counted[0]:.1f} GOP in linear layers and {counted[1]:.1f} in attention, all tokens counted in every layer")
        for name, one in result["engines"].items():
            if name not in PEERS:
                rate = sum(counted) / one[f"{shape} ms"] * 1e3
                share = f", {100 * rate / result['options']['peak']:.0f} % of the peak" if result["options"]["peak"] and one["precision"] == "int8" else ""
                print(f"{name}: {rate:.0f} GOP/s{share}")


def compare(options: argparse.Namespace) -> dict | None:
    options.work.mkdir(parents=True, exist_ok=True)
    if options.shape:
        use_shape(options)
    options.max_length = options.max_length or longest_row(options.model)
    count = take_texts(options)
    skipped: dict[str, str] = {}
    names = chosen(options, skipped)
    exports = prepare(options, names)
    if options.prepare_only:
        return None
    for name in list(names):
        reason = exports.get(PEERS[name].file, {}).get("error")
        if reason:
            skipped[name] = f"{PEERS[name].file}: {reason}"
            names.remove(name)
    truth = None
    if options.labels:
        truth = [line for line in options.labels.read_text(encoding="utf-8").split("\n") if line][:count]
        if len(truth) != count:
            raise ValueError(f"{options.labels} has {len(truth)} labels for {count} texts")
    program = our_program(options)
    facts = machine()
    measured = Measurements(options, engines_of(options, names, program), skipped)
    measured.run()
    config = json.loads((options.model / "config.json").read_text())
    found = summaries(measured, config, truth)
    reference = measured.answers[REFERENCE]
    return {
        "machine": facts,
        "commit": commit(),
        "versions": versions(),
        "model": str(options.model),
        "texts": {"count": count, "mean_tokens": reference["tokens"] / count, "padding": 1 - reference["tokens"] / reference["padded_tokens"]},
        "options": {key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items()},
        "engines": found,
        "ratios": ratios(found, figures_of(options)),
        "skipped": skipped,
        "exports": exports,
        "config": config,
    }


def longest_row(model: Path) -> int:
    """In tokens, by the tokenizer's configuration; at most 512 and the model's positions."""
    path = model / "tokenizer_config.json"
    stated = json.loads(path.read_text()).get("model_max_length") if path.is_file() else None
    positions = json.loads((model / "config.json").read_text()).get("max_position_embeddings")
    return int(min(stated or 512, positions or 512, 512))


def main() -> int:
    options = arguments()
    if options.list:
        for name, peer in PEERS.items():
            print(f"{name:26} {peer.about}" + (f" [needs {peer.cpu_flag}]" if peer.cpu_flag else ""))
        return 0
    try:
        result = compare(options)
    except (OSError, ValueError, RuntimeError, EngineError, metadata.PackageNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if result is None:
        return 0
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    print_markdown(result, result["config"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
