//! What is resolved, and what is refused with which words.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::cargo;
use crate::programs::{self, Source};
use crate::runner::Runner;
use serde_json::json;

struct Place {
    dir: tempfile::TempDir,
    workspace: Workspace,
}

impl Place {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("my.toml"), text).unwrap();
        let workspace = Workspace::find(Some(dir.path().to_owned()));
        Self { dir, workspace }
    }

    fn with(self, name: &str, text: &str) -> Self {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn load(&self, sets: &[&str]) -> Result<Config> {
        let sets: Vec<_> = sets.iter().map(|set| (*set).to_owned()).collect();
        Config::load(Path::new("my.toml"), &sets, &self.workspace)
    }
}

fn load(text: &str, sets: &[&str]) -> Config {
    Place::new(text).load(sets).unwrap()
}

/// The rendered error, which has to be one about the configuration.
fn refused(text: &str, sets: &[&str]) -> String {
    let error = Place::new(text).load(sets).unwrap_err();
    assert_eq!(error.kind().exit_code(), 3);
    error.render()
}

#[test]
fn defaults_file_and_sets_lie_over_each_other() {
    let text = "[train]\nepochs = 5\nlearning_rate = 1\n\n[fetch.data]\npath = \"a.csv\"\n";
    let place = Place::new(text);
    let config = place.load(&["train.epochs=7", "train.device=cuda:1"]).unwrap();
    let train = config.section(Slot::Train);
    assert_eq!(train.values["epochs"], json!(7));
    assert_eq!(train.values["device"], json!("cuda:1"));
    assert_eq!(train.values["batch_size"], json!(16));
    // A whole number where a number is expected is that number.
    assert_eq!(train.values["learning_rate"].to_string(), "1.0");
    assert_eq!(train.origins["epochs"], "--set");
    assert_eq!(train.origins["learning_rate"], "my.toml:3");
    assert!(!train.origins.contains_key("batch_size"));
    let fetch = config.section(Slot::Fetch);
    assert_eq!(fetch.values["data"], json!({ "path": "a.csv" }));
    assert_eq!((&*fetch.origins["data"], &*fetch.origins["data.path"]), ("my.toml:5", "my.toml:6"));
    assert_eq!(config.run, "my");
    assert_eq!(config.run_dir(), place.dir.path().join("data/runs/my"));
}

#[test]
fn a_set_of_a_table_replaces_it_and_a_set_of_a_key_in_it_adds() {
    let text = "[fetch.data]\npypi = \"a==1\"\ninside = \"x\"\n";
    let whole = load(text, &["fetch.data={ path = \"b.csv\" }"]);
    assert_eq!(whole.section(Slot::Fetch).values["data"], json!({ "path": "b.csv" }));
    assert_eq!(whole.section(Slot::Fetch).origins.get("data.pypi"), None);
    assert_eq!(whole.section(Slot::Fetch).origins["data.path"], "--set");
    let added = load(text, &["fetch.data.inside=y"]);
    assert_eq!(added.section(Slot::Fetch).values["data"], json!({ "pypi": "a==1", "inside": "y" }));
}

#[test]
fn a_set_is_toml_or_else_a_text() {
    let config = load("", &["run.name=2026", "clean.train_files=[\"a\"]", "clean.filter.source=rotten tomatoes"]);
    assert_eq!(config.run, "2026");
    let clean = &config.section(Slot::Clean).values;
    assert_eq!(clean["train_files"], json!(["a"]));
    assert_eq!(clean["filter"], json!({ "source": "rotten tomatoes" }));
    // What looks like more TOML is a text too.
    let config = load("", &["clean.text_column=1\nlabel_column = 2"]);
    assert_eq!(config.section(Slot::Clean).values["text_column"], json!("1\nlabel_column = 2"));
    for malformed in ["train.epochs", "=3", "train=3", "a b.c=3", "train.=3"] {
        let error = Place::new("").load(&[malformed]).unwrap_err();
        assert_eq!(error.kind().exit_code(), 2, "{malformed}");
    }
}

#[test]
fn unknown_sections_and_keys_name_the_place_and_the_nearest() {
    assert_eq!(
        refused("[run]\n\n[trian]\nepochs = 1\n", &[]),
        "error: my.toml:3: there is no section `[trian]`\n\nhint: did you mean `[train]`?"
    );
    assert_eq!(
        refused("[train]\n# a comment\nlerning_rate = 1e-3\n", &[]),
        "error: my.toml:3: there is no key `train.lerning_rate`\n\nhint: did you mean `learning_rate`?"
    );
    assert_eq!(
        refused("[clean]\nepochs = 3\n", &[]),
        "error: my.toml:2: there is no key `clean.epochs`\n\nhint: `epochs` is a key of `[train]`"
    );
    assert_eq!(
        refused("[split]\nshare = 3\n", &[]),
        "error: my.toml:2: there is no key `split.share`\n\nhint: the keys of `[split]` are: seed, stratify, test, \
         validation"
    );
    assert_eq!(
        refused("epochs = 3\n", &[]),
        "error: my.toml:1: `epochs` stands outside of every section\n\nhint: write it below `[train]`"
    );
    assert_eq!(
        refused("train = 3\n", &[]),
        "error: my.toml:1: `train` must be a section, but is the number 3\n\nhint: write `[train]` on a line of its \
         own, and its keys below it"
    );
    assert_eq!(
        refused("", &["train.epoch=3"]),
        "error: --set: there is no key `train.epoch`\n\nhint: did you mean `epochs`?"
    );
}

#[test]
fn wrong_types_name_the_place_and_the_default() {
    assert_eq!(
        refused("[train]\n\nepochs = \"three\"\n", &[]),
        "error: my.toml:3: `train.epochs` must be a whole number, but is the text \"three\"\n\nhint: the default is \
         `epochs = 3`"
    );
    assert_eq!(
        refused("[train]\nepochs = 2.5\n", &[]),
        "error: my.toml:2: `train.epochs` must be a whole number, but is the number 2.5\n\nhint: the default is \
         `epochs = 3`"
    );
    assert_eq!(
        refused("", &["clean.lowercase=maybe"]),
        "error: --set: `clean.lowercase` must be true or false, but is the text \"maybe\"\n\nhint: the default is \
         `lowercase = false`"
    );
    assert_eq!(
        refused("[fetch]\ndata = \"reviews.csv\"\n", &[]),
        "error: my.toml:2: `fetch.data` must be a table, but is the text \"reviews.csv\"\n\nhint: the default is \
         `data = {}`"
    );
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let place = Place::new("");
    let error = Config::load(Path::new("configs/none.toml"), &[], &place.workspace).unwrap_err();
    assert!(error.render().starts_with("error: cannot read the configuration configs/none.toml\n  caused by: No such"));
    assert_eq!(error.kind().exit_code(), 3);
    let error = refused("[train]\nepochs = 1\nepochs = 2\n", &[]);
    assert!(error.starts_with("error: my.toml:3: this is not valid TOML: duplicate key"), "{error}");
    let error = refused("[train\n", &[]);
    assert!(error.starts_with("error: my.toml:1: this is not valid TOML: "), "{error}");
}

#[test]
fn custom_stages_take_any_key() {
    let config = load("[clean]\npackage = \"my-clean\"\nmin_words = 3\nlowercase = \"sometimes\"\n", &[]);
    let clean = config.section(Slot::Clean);
    assert_eq!(clean.filler, Filler::Package("my-clean".to_owned()));
    assert_eq!((&clean.values["min_words"], &clean.values["lowercase"]), (&json!(3), &json!("sometimes")));
    assert_eq!(clean.values.get("package"), None);
    let config = load("[clean]\ncommand = [\"python3\", \"clean.py\"]\nmin_words = 3\n", &["clean.package=mine"]);
    assert_eq!(config.section(Slot::Clean).filler, Filler::Package("mine".to_owned()));
    let config = load("[clean]\ncommand = [\"python3\", \"clean.py\"]\n", &[]);
    let words = ["python3", "clean.py"].map(str::to_owned).to_vec();
    assert_eq!(config.section(Slot::Clean).filler, Filler::Command(words));
    // The built-in stage by its name is still the built-in stage.
    assert!(
        refused("[clean]\npackage = \"firebrand-clean\"\nmin_words = 3\n", &[]).contains("no key `clean.min_words`")
    );
}

#[test]
fn a_file_lies_over_those_that_it_extends() {
    let place = Place::new("extends = \"base/b.toml\"\n[train]\nepochs = 5\n")
        .with("base/b.toml", "extends = \"../a.toml\"\n[run]\nname = \"b\"\ndir = \"there\"\n[train]\nbatch_size = 8\n")
        .with("a.toml", "[train]\nepochs = 1\nbatch_size = 4\nseed = 7\n");
    let config = place.load(&["train.seed=9"]).unwrap();
    let train = config.section(Slot::Train);
    assert_eq!((&train.values["epochs"], &train.values["batch_size"]), (&json!(5), &json!(8)));
    let places = ["epochs", "batch_size", "seed"].map(|key| train.origins[key].as_str());
    assert_eq!(places, ["my.toml:3", "base/b.toml:6", "--set"]);
    // The run is named by the file that is run; everything else is inherited.
    assert_eq!((config.run.as_str(), config.dir), ("my", place.dir.path().join("there")));

    let place = place.with("a.toml", "[train]\n\nepoch = 1\n");
    let error = place.load(&[]).unwrap_err().render();
    assert_eq!(error, "error: a.toml:3: there is no key `train.epoch`\n\nhint: did you mean `epochs`?");
}

#[test]
fn a_source_that_is_named_anew_replaces_the_old_one() {
    let place =
        Place::new("extends = \"a.toml\"\n[fetch]\nmodel = { path = \"model\" }\ndata = { files = [\"b.csv\"] }\n")
            .with(
                "a.toml",
                "[fetch.model]\npypi = \"x==1\"\nsha256 = \"0\"\n[fetch.data]\nhub = \"a/b\"\nfiles = [\"a.csv\"]\n",
            );
    let fetch = place.load(&[]).unwrap();
    let fetch = &fetch.section(Slot::Fetch).values;
    assert_eq!(fetch["model"], json!({ "path": "model" }));
    assert_eq!(fetch["data"], json!({ "hub": "a/b", "files": ["b.csv"] }));
}

#[test]
fn files_that_cannot_be_extended_are_named() {
    let missing = refused("\nextends = \"none.toml\"\n", &[]);
    assert!(missing.starts_with("error: my.toml:2: `extends` names none.toml, which cannot be read\n"), "{missing}");
    assert!(missing.ends_with("hint: the path starts from the directory of the file that it stands in"), "{missing}");
    let no_path = refused("extends = [\"a.toml\"]\n", &[]);
    assert!(no_path.starts_with("error: my.toml:1: `extends` is not a path"), "{no_path}");
    let misspelt = refused("extend = \"a.toml\"\n", &[]);
    assert!(misspelt.ends_with("hint: did you mean `extends`?"), "{misspelt}");
    let circle =
        Place::new("extends = \"a.toml\"\n").with("a.toml", "# back\nextends = \"x/../my.toml\"\n").with("x/y", "");
    let circle = circle.load(&[]).unwrap_err().render();
    assert!(circle.starts_with("error: a.toml:2: `extends` leads back to my.toml\n"), "{circle}");
}

#[test]
fn commands_may_watch_files() {
    let text = "[clean]\ncommand = [\"python3\", \"clean.py\"]\nwatch = [\"lib/**\"]\n";
    let config = load(text, &[]);
    let clean = config.section(Slot::Clean);
    assert_eq!((&*clean.watch, clean.values.get("watch")), (&["lib/**".to_owned()][..], None));
    assert!(load(text, &["clean.package=mine"]).section(Slot::Clean).watch.is_empty());
    let text = refused("[clean]\ncommand = [\"a\"]\nwatch = \"lib\"\n", &[]);
    assert!(text.starts_with("error: my.toml:3: `clean.watch` is not a list of paths"), "{text}");
    let package = refused("[clean]\npackage = \"mine\"\nwatch = [\"lib\"]\n", &[]);
    assert!(package.starts_with("error: my.toml:3: `clean.watch` belongs to a `command`"), "{package}");
}

#[test]
fn custom_stages_are_named_rightly() {
    let both = refused("[clean]\npackage = \"a\"\ncommand = [\"b\"]\n", &[]);
    assert!(both.starts_with("error: my.toml:3: `clean` has both `package` and `command`"), "{both}");
    let words = refused("[clean]\ncommand = \"python3 clean.py\"\n", &[]);
    assert!(words.starts_with("error: my.toml:2: `clean.command` is not a list of words"), "{words}");
    assert!(refused("[clean]\ncommand = []\n", &[]).contains("is not a list of words"));
    assert!(refused("[clean]\npackage = 3\n", &[]).contains("`clean.package` is not a package's name"));
    assert!(refused("[run]\npackage = \"a\"\n", &[]).contains("no key `run.package`"));
}

#[test]
fn names_of_runs_are_names_of_directories() {
    for name in ["../x", "a/b", ".hidden", "-x", "größe", "a b"] {
        let error = refused(&format!("[run]\nname = {name:?}\n"), &[]);
        assert!(error.starts_with(&format!("error: my.toml:2: the run's name {name:?} cannot be")), "{error}");
    }
    assert_eq!(load("[run]\nname = \"bert-large.v2_1\"\n", &[]).run, "bert-large.v2_1");
    assert!(refused("[run]\ndir = \"\"\n", &[]).starts_with("error: my.toml:2: `run.dir` is empty"));
}

/// The files that users run: each loads, and every stage says that it can work with its section.
#[test]
fn the_projects_own_configurations_pass_every_check() {
    let workspace = Workspace::find(None);
    let configs = workspace.root().join("configs");
    Config::load(&configs.join("default.toml"), &[], &workspace).unwrap();

    let programs = programs::from_environment().unwrap_or_else(|| {
        let built = cargo::build(&BTreeMap::new(), &[], &workspace).unwrap();
        Source::Directory(built[cargo::FIREBRAND].executable.parent().unwrap().to_owned())
    });
    let list = |directory: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect()
    };
    let mut files = [list(&configs), list(&configs.join("models"))].concat();
    files.retain(|path| !path.ends_with("default.toml"));
    assert!(files.len() >= 18, "{files:?}");
    let scratch = tempfile::tempdir().unwrap();
    let here = scratch.path().display();
    for file in files {
        let sets = [format!("run.dir={here}")];
        let config = Config::load(&file, &sets, &workspace).unwrap_or_else(|error| panic!("{}", error.render()));
        let runner = Runner::open(&workspace, &config, &programs).unwrap();
        runner.check(Slot::ALL.into_iter()).unwrap_or_else(|error| panic!("{}: {}", file.display(), error.render()));
    }
}
