"""What all peers are given: texts, token ids, and batches of rows sorted by length and padded to the longest."""

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

# With a second input for the two texts of a pair.
WITH_TYPE_IDS = {"bert", "electra", "albert", "deberta-v2"}
# They read the last token, so their rows are padded on the left.
PADDED_ON_THE_LEFT = {"xlnet", "gpt2"}

Row = tuple[list[int], list[int]]
Batch = dict[str, np.ndarray]


def config_of(model: Path) -> dict:
    config = json.loads((model / "config.json").read_text())
    if config.get("model_type") in PADDED_ON_THE_LEFT:
        raise ValueError(f"{model} is a model of the type {config['model_type']}: the peers are set up for encoders whose rows are padded on the right")
    return config


def input_names(model: Path) -> list[str]:
    config = config_of(model)
    typed = config.get("model_type") in WITH_TYPE_IDS and config.get("type_vocab_size", 0) > 0
    return ["input_ids", "attention_mask"] + (["token_type_ids"] if typed else [])


def read_texts(path: Path, limit: int | None = None) -> list[str]:
    """A text a line; empty lines are none."""
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()][:limit]


class Encoder:
    """From texts to batches."""

    def __init__(self, model: Path, max_length: int):
        self.tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_length)
        self.pad = config_of(model).get("pad_token_id") or 0

    def rows(self, texts: list[str]) -> list[Row]:
        return [(row.ids, row.type_ids) for row in self.tokenizer.encode_batch(texts)]

    def batch(self, rows: list[Row]) -> Batch:
        shape = len(rows), max(len(ids) for ids, _ in rows)
        batch = {"input_ids": np.full(shape, self.pad), "attention_mask": np.zeros(shape, np.int64), "token_type_ids": np.zeros(shape, np.int64)}
        for place, (ids, type_ids) in enumerate(rows):
            batch["input_ids"][place, : len(ids)] = ids
            batch["attention_mask"][place, : len(ids)] = 1
            batch["token_type_ids"][place, : len(ids)] = type_ids
        return batch

    def sorted_batches(self, rows: list[Row], size: int) -> tuple[list[int], list[Batch]]:
        """The longest rows first, and the place of each in `rows`."""
        order = sorted(range(len(rows)), key=lambda place: len(rows[place][0]), reverse=True)
        return order, [self.batch([rows[place] for place in order[start : start + size]]) for start in range(0, len(order), size)]
