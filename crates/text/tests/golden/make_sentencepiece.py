#!/usr/bin/env python3
"""Makes the fixtures `tokenizers/spm-*`: small SentencePiece models, and what transformers' AutoTokenizer makes of them.

    pip install transformers==5.24.0 tokenizers==0.23.3 sentencepiece==0.2.3 protobuf
    python3 crates/text/tests/golden/make_sentencepiece.py

The strings are those of `tokenizers/unigram-albert/expected.json`. The corpus below was written for this purpose and is in
the public domain.
"""
import itertools
import json
import shutil
import tempfile
from pathlib import Path

import sentencepiece
from transformers import AutoTokenizer

HOME = Path(__file__).parent / "tokenizers"

SUBJECTS = ["the old gardener", "a tired student", "my neighbour", "the committee", "a grey cat", "the engineer", "our teacher", "the film"]
VERBS = ["remembers", "ignores", "describes", "repairs", "watches", "forgets", "finishes", "paints"]
OBJECTS = ["the broken clock", "a long letter", "twelve small boats", "the second chapter", "a glass of water", "the winter garden",
           "special tokens", "the quick brown fox"]
ENDINGS = ["before breakfast.", "without a word!", "and smiles, of course.", "for the third time?", "(or so they say).", "at 12:30, on time.",
           "although it rains; nobody cares.", "- what else - in 1997."]
OTHERS = ["Le café est fermé aujourd'hui, dit la voisine.", "L'été, nous préférons marcher près du fleuve.", "Der Zug fährt über die Brücke.",
          "El niño pequeño come una manzana.", "Жизнь коротка, а лес велик.", "Старый дом стоит у реки.", "今日は雨が降っています。", "猫が好きです。",
          "中文句子很短。", "مرحبا بكم في البيت.", "Hello, world! It doesn't matter; we'll see.", "word by word, line by line", "UPPER and lower MiXeD"]

# A small charsmap: the code points of a source and of its replacement, in hexadecimal.
RULES = {"Ｆ": "F", "ｕ": "u", "ｌ": "l", "ｗ": "w", "ｉ": "i", "ｄ": "d", "ｔ": "t", "ｈ": "h", "ﬁ": "fi", "①": "1", "½": "1/2", "™": "TM", "\u3000": " ",
         "\u00a0": " ", "\u2009": " ", "\t": " ", "\n": " ", "\r": " ", "\u200b": "", "\ufeff": "", "\u00ad": "", "e\u0301": "é", "！": "!"}

FAIRSEQ = {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}
FAMILIES = {
    "spm-albert": dict(
        file="spiece.model", config={"model_type": "albert"}, tokenizer={}, rules="small",
        train={"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1, "control_symbols": "[CLS],[SEP],[MASK]"}),
    "spm-albert-cased": dict(
        file="spiece.model", config={"model_type": "albert"}, tokenizer={"do_lower_case": False, "keep_accents": True}, rules="small",
        train={"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1, "control_symbols": "[CLS],[SEP],[MASK]"}),
    "spm-xlnet": dict(
        file="spiece.model", config={"model_type": "xlnet"}, tokenizer={}, rules="small",
        train={"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1, "control_symbols": "<cls>,<sep>,<pad>,<mask>,<eod>",
               "user_defined_symbols": "<eop>,.,(,),-,–,£,€"}),
    "spm-camembert": dict(
        file="sentencepiece.bpe.model", config={"model_type": "camembert"}, tokenizer={"tokenizer_class": "CamembertTokenizer"},
        rules="small", train=FAIRSEQ),
    "spm-xlm-roberta": dict(
        file="sentencepiece.bpe.model", config={"model_type": "xlm-roberta"}, tokenizer={}, rules="nmt_nfkc", train=FAIRSEQ),
    "spm-deberta-v3": dict(
        file="spm.model", config={"model_type": "deberta-v2"}, tokenizer={"do_lower_case": False, "vocab_type": "spm"}, rules="small",
        train={"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]",
               "unk_piece": "[UNK]"}),
    "spm-deberta-v2-lower": dict(
        file="spm.model", config={"model_type": "deberta-v2"}, tokenizer={"do_lower_case": True, "split_by_punct": True}, rules="identity",
        train={"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]",
               "unk_piece": "[UNK]"}),
    "spm-bpe": dict(
        file="tokenizer.model", config={"model_type": "modernbert"},
        tokenizer={"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "add_bos_token": True, "add_eos_token": True},
        rules="small", kind="bpe", train={"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": 3, "byte_fallback": True, "user_defined_symbols": "<url>"}),
    "spm-generic": dict(
        file="tokenizer.model", config={"model_type": "modernbert"},
        tokenizer={"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "add_eos_token": True},
        rules="small", train={"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": 3, "user_defined_symbols": "<url>"}),
}


def corpus():
    lines = [" ".join(words) for words in itertools.islice(itertools.product(SUBJECTS, VERBS, OBJECTS, ENDINGS), 0, None, 7)]
    return lines + OTHERS * 20


def train(path, family, scratch):
    text = scratch / "corpus.txt"
    text.write_text("\n".join(corpus()), encoding="utf-8")
    options = dict(family["train"])
    if family["rules"] == "small":
        rules = scratch / "rules.tsv"
        code = lambda string: " ".join(f"{ord(c):X}" for c in string)
        rules.write_text("".join(f"{code(a)}\t{code(b)}\n" for a, b in RULES.items()), encoding="utf-8")
        options["normalization_rule_tsv"] = str(rules)
    else:
        options["normalization_rule_name"] = family["rules"]
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(scratch / "model"), vocab_size=600, hard_vocab_limit=family.get("kind") == "bpe",
        model_type=family.get("kind", "unigram"), character_coverage=0.9995, num_threads=1, minloglevel=2, **options)
    shutil.copyfile(scratch / "model.model", path)


def encoding(found):
    return {"ids": found.ids, "type_ids": found.type_ids, "attention_mask": found.attention_mask}


def expected(tokenizer, strings):
    backend = tokenizer.backend_tokenizer
    backend.no_truncation(), backend.no_padding()

    def cut(length, *texts):
        backend.enable_truncation(length, strategy="longest_first")
        found = backend.encode(*texts)
        backend.no_truncation()
        return found.ids

    singles = []
    for text in (single["text"] for single in strings["singles"]):
        full = backend.encode(text)
        assert full.ids == tokenizer(text)["input_ids"], text
        truncated = {str(length): cut(length, text) for length in (128, 16) if len(full.ids) > length}
        singles.append({"text": text, "full": encoding(full), "truncated": truncated})
    pairs = []
    for a, b in ((pair["a"], pair["b"]) for pair in strings["pairs"]):
        truncated = {}
        for length in (128, 16):
            backend.enable_truncation(length, strategy="longest_first")
            truncated[str(length)] = encoding(backend.encode(a, b))
            backend.no_truncation()
        pair = {"a": a, "b": b, "truncated": truncated}
        if len(a) + len(b) < 1000:
            pair["full"] = encoding(backend.encode(a, b))
        pairs.append(pair)
    texts = strings["batch_longest_max16"]["texts"]
    backend.enable_truncation(16)
    # XLNetTokenizer sets the segment of its padding to 3, and its base class then sets it to 0. No model looks at it.
    segment = 3 if type(tokenizer).__name__ == "XLNetTokenizer" else tokenizer.pad_token_type_id
    backend.enable_padding(direction=tokenizer.padding_side, pad_id=tokenizer.pad_token_id, pad_type_id=segment,
                           pad_token=tokenizer.pad_token)
    batch = {"texts": texts, "encodings": [encoding(found) for found in backend.encode_batch(texts)]}
    return {"padding_side": tokenizer.padding_side, "pad": {"pad_id": tokenizer.pad_token_id, "pad_token": tokenizer.pad_token},
            "singles": singles, "pairs": pairs, "batch_longest_max16": batch}


def main():
    strings = json.loads((HOME / "unigram-albert" / "expected.json").read_text(encoding="utf-8"))
    for name, family in FAMILIES.items():
        home = HOME / name
        home.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            train(home / family["file"], family, Path(scratch))
        for file, content in [("config.json", family["config"]), ("tokenizer_config.json", family["tokenizer"])]:
            (home / file).write_text(json.dumps(content) + "\n", encoding="utf-8")
        tokenizer = AutoTokenizer.from_pretrained(home)
        answers = json.dumps(expected(tokenizer, strings), ensure_ascii=False, separators=(",", ":"))
        (home / "expected.json").write_text(answers + "\n", encoding="utf-8")
        print(name, type(tokenizer).__name__, len(tokenizer), (home / family["file"]).stat().st_size)


if __name__ == "__main__":
    main()
