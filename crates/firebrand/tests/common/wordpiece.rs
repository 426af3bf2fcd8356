//! A WordPiece tokenizer of single letters and digits, for the tiny BERT in `crates/model/tests/golden`.
//!
//! The tests of `xtask` use this file too.

use serde_json::{Map, Value, json};

/// `tokenizer.json`: `[PAD]` is 0, `[CLS]` 2, `[SEP]` 3, `a` 5, `0` 31, `##a` 41; 77 tokens in all.
pub(crate) fn tokenizer() -> Value {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let letters = || ('a'..='z').chain('0'..='9').map(String::from);
    let tokens = special.iter().map(|token| (*token).to_owned()).chain(letters());
    let tokens = tokens.chain(letters().map(|letter| format!("##{letter}")));
    let vocabulary: Map<String, Value> = tokens.enumerate().map(|(id, token)| (token, json!(id))).collect();
    let added: Vec<Value> = (0..special.len())
        .map(|id| {
            json!({ "id": id, "content": special[id], "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true })
        })
        .collect();
    let token = |name: &str, id: u32| json!({ "SpecialToken": { "id": name, "type_id": id } });
    let sequence = |name: &str, id: u32| json!({ "Sequence": { "id": name, "type_id": id } });
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [token("[CLS]", 0), sequence("A", 0), token("[SEP]", 0)],
            "pair": [token("[CLS]", 0), sequence("A", 0), token("[SEP]", 0), sequence("B", 1), token("[SEP]", 1)],
            "special_tokens": {
                "[CLS]": { "id": "[CLS]", "ids": [2], "tokens": ["[CLS]"] },
                "[SEP]": { "id": "[SEP]", "ids": [3], "tokens": ["[SEP]"] },
            },
        },
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary },
    })
}
