//! Special tokens in a tokenizer's files.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use firebrand_pipeline::{Error, Result, ResultExt};
use serde_json::{Map, Value};
use tokenizers::{AddedToken, Tokenizer};

/// A special token with a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialToken {
    /// The role, as in `tokenizer_config.json`: `pad_token`, `cls_token`, …
    pub role: &'static str,
    /// The token.
    pub content: String,
    /// Its id.
    pub id: u32,
}

/// Roles, in the order in which transformers adds their tokens to the vocabulary.
pub(crate) const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// Special tokens by role, and further added tokens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Special {
    named: BTreeMap<&'static str, AddedToken>,
    /// Roles whose token is a plain string, whose flags the tokenizer class decides.
    bare: BTreeSet<&'static str>,
    extra: Vec<AddedToken>,
    added: BTreeMap<u32, AddedToken>,
}

impl Special {
    /// Collects the tokens in `tokenizer_config.json` (already read), `special_tokens_map.json` and `added_tokens.json`.
    ///
    /// As in transformers, a `tokenizer_config.json` with `added_tokens_decoder` is complete and the other two, older files are
    /// ignored; otherwise they take precedence.
    ///
    /// # Errors
    /// When a file is not valid.
    pub(crate) fn read(directory: &Path, config: &Map<String, Value>) -> Result<Self> {
        let mut special = Self::default();
        let decoder = config.get("added_tokens_decoder").and_then(Value::as_object);
        for (id, token) in decoder.into_iter().flatten() {
            if let (Ok(id), Some(token)) = (id.parse(), added_token(token, false)) {
                _ = special.added.insert(id, token);
            }
        }
        special.merge(config);
        if decoder.is_none() {
            special.merge(&optional(&directory.join("special_tokens_map.json"))?);
            for (content, id) in optional(&directory.join("added_tokens.json"))? {
                let Some(id) = id.as_u64().and_then(|id| u32::try_from(id).ok()) else {
                    let path = directory.join("added_tokens.json");
                    return Err(Error::data(format!("{}: {content:?} has the id {id}", path.display())));
                };
                let is_special = special.contents().any(|known| *known == content);
                _ = special.added.insert(id, AddedToken::from(content, is_special));
            }
        }
        for (role, token) in &mut special.named {
            if let Some(known) = special.added.values().find(|known| known.content == token.content) {
                *token = AddedToken { special: true, ..known.clone() };
                _ = special.bare.remove(role);
            }
        }
        Ok(special)
    }

    fn merge(&mut self, config: &Map<String, Value>) {
        for role in ROLES {
            let Some(value) = config.get(role) else { continue };
            if let Some(token) = added_token(value, true) {
                _ = self.named.insert(role, AddedToken { special: true, ..token });
                _ = if value.is_string() { self.bare.insert(role) } else { self.bare.remove(role) };
            }
        }
        let extra = ["extra_special_tokens", "additional_special_tokens"].iter().filter_map(|key| config.get(*key));
        if let Some(tokens) = extra.filter_map(Value::as_array).find(|tokens| !tokens.is_empty()) {
            self.extra = tokens.iter().filter_map(|token| added_token(token, true)).collect();
        }
    }

    /// Sets the token of a role unless the files set it.
    pub(crate) fn or_default(&mut self, role: &'static str, content: &str) {
        if !self.named.contains_key(role) {
            let known = self.added.values().find(|known| known.content == content).cloned();
            if known.is_none() {
                _ = self.bare.insert(role);
            }
            let token = known.unwrap_or_else(|| AddedToken::from(content, true));
            _ = self.named.insert(role, AddedToken { special: true, ..token });
        }
    }

    /// Sets the tokens without a role unless the files set some.
    pub(crate) fn or_extra(&mut self, tokens: Vec<AddedToken>) {
        if self.extra.is_empty() {
            self.extra = tokens;
        }
    }

    /// If `yes`, the tokens of `added_tokens_decoder` are matched before the text is normalized.
    pub(crate) fn match_before_normalizing(&mut self, yes: bool) {
        for token in self.added.values_mut().filter(|_| yes) {
            token.normalized = false;
        }
    }

    /// The tokens of `added_tokens_decoder` or `added_tokens.json`, by id.
    pub(crate) fn added(&self) -> impl Iterator<Item = (u32, &str)> {
        self.added.iter().map(|(id, token)| (*id, token.content.as_str()))
    }

    /// Sets `lstrip` (the token includes the space before it) for the token of a role, if that is a plain string.
    pub(crate) fn strip_left(&mut self, role: &'static str) {
        if let Some(token) = self.named.get_mut(role).filter(|_| self.bare.contains(role)) {
            token.lstrip = true;
        }
    }

    /// The token of a role.
    pub(crate) fn content(&self, role: &str) -> Option<&str> {
        self.named.get(role).map(|token| token.content.as_str())
    }

    /// All tokens, in the order in which transformers adds them: those that are not in the vocabulary get the next ids.
    pub(crate) fn in_order(&self) -> Vec<AddedToken> {
        let special: HashSet<&str> = self.contents().map(String::as_str).collect();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut tokens: Vec<AddedToken> = Vec::new();
        let roles = ROLES.iter().filter_map(|role| self.named.get(role));
        for token in self.added.values().chain(roles).chain(&self.extra) {
            let content = token.content.as_str();
            let token = AddedToken { special: token.special || special.contains(content), ..token.clone() };
            match places.entry(content) {
                // If a token has several roles, the flags of the last one apply.
                Entry::Occupied(place) => tokens[*place.get()] = token,
                Entry::Vacant(place) => {
                    _ = place.insert(tokens.len());
                    tokens.push(token);
                }
            }
        }
        tokens
    }

    /// The tokens with a role that are in the vocabulary.
    pub(crate) fn with_ids(&self, tokenizer: &Tokenizer) -> Vec<SpecialToken> {
        let token = |(role, token): (&&'static str, &AddedToken)| {
            let id = tokenizer.token_to_id(&token.content)?;
            Some(SpecialToken { role, content: token.content.clone(), id })
        };
        self.named.iter().filter_map(token).collect()
    }

    /// The tokens that are special wherever they are named.
    fn contents(&self) -> impl Iterator<Item = &String> {
        self.named.values().chain(self.extra.iter().filter(|token| token.special)).map(|token| &token.content)
    }
}

/// Parses a token: a string, or an object with flags.
fn added_token(value: &Value, special: bool) -> Option<AddedToken> {
    if let Some(content) = value.as_str() {
        return Some(AddedToken::from(content, true));
    }
    let flag = |key: &str| value.get(key).and_then(Value::as_bool);
    let special = flag("special").unwrap_or(special);
    let token = AddedToken::from(value.get("content")?.as_str()?, special);
    Some(
        token
            .single_word(flag("single_word").unwrap_or_default())
            .lstrip(flag("lstrip").unwrap_or_default())
            .rstrip(flag("rstrip").unwrap_or_default())
            .normalized(flag("normalized").unwrap_or(!special)),
    )
}

/// Reads a JSON object; a missing file is an empty object.
pub(crate) fn optional(path: &Path) -> Result<Map<String, Value>> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text)
            .or_data(|| format!("{} is not valid", path.display()))
            .map_err(|error| error.hint("the file is damaged or incomplete: fetch or export the directory again")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(Error::io("read", path, &error)),
    }
}
