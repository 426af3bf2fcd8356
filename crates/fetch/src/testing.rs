//! What the tests of this crate share.

use std::collections::BTreeMap;
use std::path::Path;

use firebrand_pipeline::{Request, Slot, StageIo};

/// A stage's view of a new temporary directory.
pub(crate) fn stage_io() -> (tempfile::TempDir, StageIo) {
    let home = tempfile::tempdir().unwrap();
    let io = stage_io_in(home.path());
    (home, io)
}

/// A stage's view of a directory.
pub(crate) fn stage_io_in(home: &Path) -> StageIo {
    std::fs::create_dir_all(home.join("out")).unwrap();
    StageIo::new(Request {
        protocol: Request::PROTOCOL,
        slot: Slot::Fetch,
        run: "test".to_owned(),
        config: serde_json::Value::Null,
        origins: BTreeMap::new(),
        inputs: BTreeMap::new(),
        output: home.join("out"),
        cache: home.join("cache"),
        workspace: home.to_owned(),
        resume: false,
    })
}
