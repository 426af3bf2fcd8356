"""A peer's process: loads one engine, then answers commands, a JSON object a line, on stdin and stdout.

`crates/infer/examples/engine_worker.rs` speaks the same protocol for our engine:

    it begins with                                                  {"load_s": ..}
    {"cmd": "logits", "texts": FILE, "limit": N, "alone": N, "to": FILE}
        writes {"full": [[..]], "alone": [[..]]}, in the order of the texts    {"ok": true}
    {"cmd": "shape", "b": ROWS, "s": TOKENS, "warm": N, "seconds": S, "max": N}
        random ids, no padding; at least one call, at most `max`               {"ms": [..], "cpu_per_wall": ..}
    {"cmd": "texts", "texts": FILE, "limit": N}                     {"s": .., "with_tokenizing_s": .., "cpu_per_wall": ..}
    {"cmd": "memory"}                                               {"peak_rss_mib": ..}

An answer may be {"error": ".."} instead. The end of stdin ends the process.
"""

import argparse
import json
import os
import queue
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np

from engines.inputs import Batch, Encoder, config_of, input_names, read_texts
from engines.peers import PEERS, Peer


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=PEERS)
    parser.add_argument("model", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--max-length", type=int, required=True)
    return parser.parse_args()


class Torch:
    def __init__(self, peer: Peer, options: argparse.Namespace):
        import torch
        from transformers import AutoModelForSequenceClassification
        from transformers.utils.logging import disable_progress_bar, set_verbosity_error

        set_verbosity_error()
        disable_progress_bar()
        torch.set_num_threads(options.threads)
        kind = torch.bfloat16 if peer.precision == "bf16" else torch.float32
        self.torch, self.names = torch, input_names(options.model)
        self.model = AutoModelForSequenceClassification.from_pretrained(options.model, dtype=kind).eval()

    def score(self, batch: Batch, _stream: int) -> np.ndarray:
        with self.torch.inference_mode():
            return self.model(**{name: self.torch.from_numpy(batch[name]) for name in self.names}).logits.float().numpy()


class OnnxRuntime:
    def __init__(self, peer: Peer, options: argparse.Namespace):
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1 if peer.streams else options.threads
        settings.inter_op_num_threads = 1
        path = str(options.work / peer.file)
        count = options.threads if peer.streams else 1
        self.sessions = [onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"]) for _ in range(count)]
        self.names = [entry.name for entry in self.sessions[0].get_inputs()]

    def score(self, batch: Batch, stream: int) -> np.ndarray:
        return self.sessions[stream].run(None, {name: batch[name] for name in self.names})[0]


class OpenVino:
    def __init__(self, peer: Peer, options: argparse.Namespace):
        import openvino

        count = options.threads if peer.streams else 1
        settings = peer.settings | {
            "PERFORMANCE_HINT": "THROUGHPUT" if peer.streams else "LATENCY",
            "NUM_STREAMS": str(count),
            "INFERENCE_NUM_THREADS": str(options.threads),
        }
        compiled = openvino.Core().compile_model(str(options.work / peer.file), "CPU", settings)
        self.requests = [compiled.create_infer_request() for _ in range(count)]
        self.names = [entry.any_name for entry in compiled.inputs]
        # Whatever its Python binding sets up at the first array, two threads at once can wait for forever (OpenVINO 2026.4).
        openvino.Tensor(np.zeros((1, 1), np.int64), shared_memory=True)

    def score(self, batch: Batch, stream: int) -> np.ndarray:
        # The result is the request's own memory until its next call.
        return self.requests[stream].infer({name: batch[name] for name in self.names}, share_inputs=True)[0].copy()


class CTranslate2:
    def __init__(self, peer: Peer, options: argparse.Namespace):
        import ctranslate2

        self.encoder = ctranslate2.Encoder(
            str(options.work / peer.file),
            device="cpu",
            compute_type={"fp32": "float32", "int8": "int8"}[peer.precision],
            inter_threads=options.threads if peer.streams else 1,
            intra_threads=1 if peer.streams else options.threads,
        )
        self.typed = "token_type_ids" in input_names(options.model)
        self.head = dict(np.load(options.work / peer.file / "head.npz"))

    def score(self, batch: Batch, _stream: int) -> np.ndarray:
        lengths = batch["attention_mask"].sum(axis=1)

        def unpadded(name: str) -> list[list[int]]:
            return [row[:length].tolist() for row, length in zip(batch[name], lengths)]

        # It pads by itself, and takes the padding out again where that is faster.
        more = {"token_type_ids": unpadded("token_type_ids")} if self.typed else {}
        return self.classify(self.encoder.forward_batch(unpadded("input_ids"), **more))

    def classify(self, output) -> np.ndarray:
        if "classifier.dense.weight" in self.head:  # RoBERTa
            first = np.array(output.last_hidden_state)[:, 0]
            return self.linear("classifier.out_proj", np.tanh(self.linear("classifier.dense", first)))
        if "pre_classifier.weight" in self.head:  # DistilBERT
            first = np.array(output.last_hidden_state)[:, 0]
            return self.linear("classifier", np.maximum(self.linear("pre_classifier", first), 0))
        # BERT's pooler is part of what was converted.
        return self.linear("classifier", np.array(output.pooler_output))

    def linear(self, name: str, inputs: np.ndarray) -> np.ndarray:
        return inputs @ self.head[f"{name}.weight"].T + self.head[f"{name}.bias"]


LIBRARIES = {"torch": Torch, "onnxruntime": OnnxRuntime, "openvino": OpenVino, "ctranslate2": CTranslate2}


class Streams:
    """Runs batches on one stream in the caller's thread, or on several beside each other."""

    def __init__(self, engine, count: int):
        self.engine, self.count = engine, count
        self.pool = ThreadPoolExecutor(count) if count > 1 else None
        self.idle: queue.SimpleQueue[int] = queue.SimpleQueue()
        for stream in range(count):
            self.idle.put(stream)

    def score(self, batch: Batch) -> np.ndarray:
        rows = len(batch["input_ids"])
        if self.count == 1 or rows == 1:
            return self.engine.score(batch, 0)
        edges = [rows * stream // self.count for stream in range(self.count + 1)]
        parts = [{name: values[start:end] for name, values in batch.items()} for start, end in zip(edges, edges[1:]) if start < end]
        return np.concatenate(self.score_all(parts))

    def score_all(self, batches: list[Batch]) -> list[np.ndarray]:
        if self.pool is None:
            return [self.engine.score(batch, 0) for batch in batches]
        return list(self.pool.map(self.on_an_idle_stream, batches))

    def on_an_idle_stream(self, batch: Batch) -> np.ndarray:
        stream = self.idle.get()
        try:
            return self.engine.score(batch, stream)
        finally:
            self.idle.put(stream)


class Stopwatch:
    """Wall and processor time since it was made."""

    def __init__(self):
        self.wall, self.processor = time.perf_counter(), self.used()

    @staticmethod
    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    def seconds(self) -> float:
        return time.perf_counter() - self.wall

    def cpu_per_wall(self) -> float:
        return (self.used() - self.processor) / self.seconds()


class Commands:
    def __init__(self, options: argparse.Namespace):
        self.batch_size = options.batch
        self.vocabulary = config_of(options.model)["vocab_size"]
        self.encoder = Encoder(options.model, options.max_length)
        # Of Python, numpy and the tokenizer, which the engine is not to blame for.
        self.before = memory("VmRSS")
        peer = PEERS[options.engine]
        self.streams = Streams(LIBRARIES[peer.library](peer, options), options.threads if peer.streams else 1)
        self.encoded: dict[tuple, list] = {}

    def rows(self, command: dict) -> list:
        key = command["texts"], command["limit"]
        if key not in self.encoded:
            self.encoded[key] = self.encoder.rows(read_texts(Path(command["texts"]), command["limit"]))
        return self.encoded[key]

    def logits(self, command: dict) -> dict:
        rows = self.rows(command)
        order, batches = self.encoder.sorted_batches(rows, self.batch_size)
        scores = np.concatenate(self.streams.score_all(batches))
        full = np.empty_like(scores)
        full[order] = scores
        alone = [self.streams.score(self.encoder.batch([row]))[0] for row in rows[: command["alone"]]]
        Path(command["to"]).write_text(json.dumps({"full": full.tolist(), "alone": [row.tolist() for row in alone]}))
        return {"ok": True, "tokens": sum(len(ids) for ids, _ in rows), "padded_tokens": sum(batch["input_ids"].size for batch in batches)}

    def shape(self, command: dict) -> dict:
        shape = command["b"], command["s"]
        ids = np.random.default_rng(1).integers(1000 % self.vocabulary, self.vocabulary, shape)
        batch = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        for _ in range(command["warm"]):
            self.streams.score(batch)
        milliseconds, watch = [], Stopwatch()
        while not milliseconds or (len(milliseconds) < command["max"] and watch.seconds() < command["seconds"]):
            started = time.perf_counter()
            self.streams.score(batch)
            milliseconds.append((time.perf_counter() - started) * 1e3)
        return {"ms": milliseconds, "cpu_per_wall": watch.cpu_per_wall()}

    def texts(self, command: dict) -> dict:
        _, batches = self.encoder.sorted_batches(self.rows(command), self.batch_size)
        texts = read_texts(Path(command["texts"]), command["limit"])
        watch = Stopwatch()
        self.streams.score_all(batches)
        answer = {"s": watch.seconds(), "cpu_per_wall": watch.cpu_per_wall()}
        watch = Stopwatch()
        self.streams.score_all(self.encoder.sorted_batches(self.encoder.rows(texts), self.batch_size)[1])
        return answer | {"with_tokenizing_s": watch.seconds()}

    def memory(self, _command: dict) -> dict:
        return {"peak_rss_mib": memory("VmHWM"), "before_engine_mib": self.before}


def memory(field: str) -> float:
    """In MiB. Unlike getrusage's maximum it leaves out what the process that started this one had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"/proc/self/status has no {field}")


def main() -> None:
    options = arguments()
    # Libraries print on stdout too; it is kept for answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(values: dict) -> None:
        print(json.dumps(values), file=answers, flush=True)

    started = time.perf_counter()
    try:
        commands = Commands(options)
    except Exception as error:  # whatever a library raises: this engine is left out, and the reason is shown
        answer({"error": f"{type(error).__name__}: {error}"})
        return
    answer({"load_s": time.perf_counter() - started})
    by_name = {name: getattr(commands, name) for name in ("logits", "shape", "texts", "memory")}
    for line in sys.stdin:
        try:
            command = json.loads(line)
            answer(by_name[command["cmd"]](command))
        except Exception as error:  # likewise
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
