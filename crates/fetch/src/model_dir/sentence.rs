//! Directories of sentence-transformers: `modules.json` lists a transformer, a pooling, and more.

use firebrand_pipeline::Result;
use serde_json::Value;

use super::{Place, printable};

/// A sentence-transformers model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentenceModel {
    /// The transformer's folder; empty at the top.
    pub(crate) folder: String,
    /// How hidden states become one vector, if a module says so.
    pooling: Option<String>,
}

impl SentenceModel {
    /// Reads a place's `modules.json`; `None` if it has none.
    pub(super) fn of(place: &Place<'_>) -> Result<Option<Self>> {
        let has = |path: &str| place.names.iter().any(|name| name == path);
        if !has("modules.json") {
            return Ok(None);
        }
        let modules = (place.read)("modules.json")?;
        let text = |module: &Value, key: &str| module.get(key).and_then(printable).unwrap_or_default().to_owned();
        let mut modules = modules.as_array().into_iter().flatten().map(|module| {
            // `sentence_transformers.models.Pooling`
            let kind = text(module, "type").rsplit('.').next().unwrap_or_default().to_owned();
            (kind, text(module, "path").trim_matches('/').to_owned())
        });
        let Some((kind, folder)) = modules.next() else { return Ok(None) };
        let config =
            |folder: &str| if folder.is_empty() { "config.json".to_owned() } else { format!("{folder}/config.json") };
        let transformer = kind.ends_with("Transformer") || kind.to_lowercase().contains("bert") || kind == "XLNet";
        if !transformer && !has(&config(&folder)) {
            let what =
                format!("is a sentence-transformers model whose first module is {kind}, which is not a transformer");
            return Err(place.asker.error(&what).hint("fetch a model whose modules.json begins with a Transformer"));
        }
        let pooling = modules.find(|(kind, _)| kind == "Pooling").map(|(_, folder)| config(&folder));
        let pooling = match pooling.filter(|path| has(path)) {
            Some(path) => pooled_by(&(place.read)(&path)?),
            None => None,
        };
        Ok(Some(Self { folder, pooling }))
    }

    /// What its user should know: where the transformer is, and how to get the same pooling.
    pub(crate) fn note(&self) -> Option<String> {
        let place =
            if self.folder.is_empty() { String::new() } else { format!(" with its transformer in {}", self.folder) };
        let what = format!("a sentence-transformers model{place}");
        match self.pooling.as_deref() {
            Some("mean") => Some(format!("{what}; it pools by mean, as `train.pooling = \"mean\"` does")),
            Some(other) => Some(format!("{what}; it pools by {other}")),
            None => (!self.folder.is_empty()).then_some(what),
        }
    }
}

/// The way of pooling in the module's `config.json`: `pooling_mode_mean_tokens` is true, or `pooling_mode` is `mean`.
fn pooled_by(config: &Value) -> Option<String> {
    let named = config.get("pooling_mode").and_then(printable).map(str::to_owned);
    let flags = config.as_object().into_iter().flatten().filter(|(_, on)| on.as_bool() == Some(true));
    let modes: Vec<_> = named
        .into_iter()
        .chain(flags.filter_map(|(key, _)| {
            let mode = key.strip_prefix("pooling_mode_").filter(|mode| !mode.contains(char::is_control))?;
            Some(mode.strip_suffix("_tokens").or(mode.strip_suffix("_token")).unwrap_or(mode).to_owned())
        }))
        .collect();
    (!modes.is_empty()).then(|| modes.join(" and "))
}
