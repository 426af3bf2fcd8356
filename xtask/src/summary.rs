//! What is told at the end of a run.

use std::path::{Path, PathBuf};

use firebrand_pipeline::{Result, ResultExt, Slot};
use serde::Serialize;

use crate::config::Config;
use crate::print::print;
use crate::run_dir::RunDir;
use crate::runner::Outcome;
use crate::workspace::Workspace;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    run: String,
    stages: Vec<Stage>,
    test: Option<Test>,
    report: Option<String>,
    bundle: Option<String>,
    /// Whether the bundle takes pairs of texts.
    #[serde(skip)]
    pairs: bool,
}

#[derive(Debug, Serialize)]
struct Stage {
    name: Slot,
    state: &'static str,
    seconds: f64,
}

/// The model's figures on the test rows, as `evaluate` measured them.
#[derive(Debug, Serialize)]
struct Test {
    accuracy: Option<f64>,
    macro_f1: Option<f64>,
    /// Where a row may have any number of labels; the accuracy is then the share of rows with all labels right.
    #[serde(skip_serializing_if = "Option::is_none")]
    micro_f1: Option<f64>,
}

/// Prints what came out, on stdout.
///
/// # Errors
/// When stdout is closed.
pub(crate) fn print_summary(
    config: &Config,
    outcomes: &[Outcome],
    workspace: &Workspace,
    json: bool,
    hint_config: &Path,
) -> Result<()> {
    let run = RunDir::new(config.run_dir());
    let shown = |path: PathBuf| path.exists().then(|| workspace.show(&path));
    let state = |outcome: &Outcome| if outcome.ran { "ran" } else { "fresh" };
    let summary = Summary {
        run: config.run.clone(),
        stages: outcomes
            .iter()
            .map(|outcome| Stage { name: outcome.slot, state: state(outcome), seconds: outcome.seconds })
            .collect(),
        test: figures(&run),
        report: shown(run.stage(Slot::Evaluate).join("report.html")),
        bundle: shown(run.stage(Slot::Export).join("bundle")),
        pairs: takes_pairs(&run),
    };
    if json {
        let text = serde_json::to_string_pretty(&summary).or_other(|| "the summary has no JSON form".to_owned())?;
        return print(&text);
    }
    print(&summary.as_text(hint_config))
}

impl Summary {
    fn as_text(&self, config: &Path) -> String {
        let mut lines = Vec::new();
        if let Some(Test { accuracy: Some(accuracy), macro_f1: Some(macro_f1), micro_f1 }) = &self.test {
            lines.push(match micro_f1 {
                None => format!("test    accuracy {accuracy:.4}, macro F1 {macro_f1:.4}"),
                Some(micro_f1) => {
                    format!("test    micro F1 {micro_f1:.4}, macro F1 {macro_f1:.4}, all labels right {accuracy:.4}")
                }
            });
        }
        if let Some(report) = &self.report {
            lines.push(format!("report  {report}"));
        }
        match &self.bundle {
            Some(bundle) => {
                lines.push(format!("bundle  {bundle}"));
                let second = if self.pairs { " --pair \"another\"" } else { "" };
                lines.push(format!("try it  cargo xtask predict {bundle} \"some text\"{second}"));
            }
            None => lines.push(format!("go on   cargo xtask pipeline {}", config.display())),
        }
        lines.join("\n")
    }
}

fn takes_pairs(run: &RunDir) -> bool {
    let text = std::fs::read_to_string(run.stage(Slot::Export).join("bundle/text.json")).unwrap_or_default();
    let options: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    options.is_some_and(|options| options.get("pairs").and_then(serde_json::Value::as_bool) == Some(true))
}

fn figures(run: &RunDir) -> Option<Test> {
    let text = std::fs::read_to_string(run.stage(Slot::Evaluate).join("metrics.json")).ok()?;
    let metrics: serde_json::Value = serde_json::from_str(&text).ok()?;
    let test = metrics.get("test")?;
    let figure = |name: &str| test.get(name).and_then(serde_json::Value::as_f64);
    let several = metrics.get("multi_label").and_then(serde_json::Value::as_bool) == Some(true);
    let micro_f1 = test.pointer("/averages/micro/f1").and_then(serde_json::Value::as_f64).filter(|_| several);
    Some(Test { accuracy: figure("accuracy"), macro_f1: figure("macro_f1"), micro_f1 })
}

/// `0.4 s`, `12 s`, `3 min 20 s`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        short if short < 9.95 => format!("{short:.1} s"),
        medium if medium < 99.5 => format!("{medium:.0} s"),
        long => {
            let whole = long.round() as u64;
            format!("{} min {} s", whole / 60, whole % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let cases = [(0.04, "0.0 s"), (9.9, "9.9 s"), (12.3, "12 s"), (99.4, "99 s"), (200.4, "3 min 20 s")];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        let mut summary =
            Summary { run: "r".to_owned(), stages: vec![], test: None, report: None, bundle: None, pairs: false };
        assert_eq!(summary.as_text(Path::new("c.toml")), "go on   cargo xtask pipeline c.toml");
        summary.test = Some(Test { accuracy: Some(0.8351), macro_f1: Some(0.835), micro_f1: None });
        summary.bundle = Some("data/b".to_owned());
        assert_eq!(
            summary.as_text(Path::new("c.toml")),
            "test    accuracy 0.8351, macro F1 0.8350\nbundle  data/b\ntry it  cargo xtask predict data/b \"some text\""
        );
        summary.pairs = true;
        assert!(summary.as_text(Path::new("c.toml")).ends_with("predict data/b \"some text\" --pair \"another\""));
    }
}
