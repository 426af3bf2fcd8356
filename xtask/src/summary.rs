//! The last lines of a run: what came out, and what to know of it before it is used.

use std::path::{Path, PathBuf};

use firebrand_pipeline::{Result, Slot, escape, to_json};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Config;
use crate::print::print;
use crate::run_dir::RunDir;
use crate::runner::Outcome;
use crate::workspace::Workspace;

/// What `--json` prints.
#[derive(Debug, Default, Serialize)]
struct Summary {
    run: String,
    stages: Vec<Stage>,
    test: Option<Test>,
    /// The model against the TF-IDF baseline, in a sentence.
    judgement: Option<String>,
    /// What training and evaluation found to be amiss.
    findings: Vec<Finding>,
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
    /// For multi-label data, whose accuracy is the share of rows with all labels correct.
    #[serde(skip_serializing_if = "Option::is_none")]
    micro_f1: Option<f64>,
    /// The 95 % interval of the accuracy, or of the micro F1 where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    interval_95: Option<Interval>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Interval {
    low: f64,
    high: f64,
}

/// Something that the user should know of the model, in a sentence with a way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    stage: Slot,
    kind: String,
    message: String,
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
    let manifest = |slot| run.manifest(slot).ok().flatten();
    // Whether a stage's result was made from what the run holds now, and not from an earlier model.
    let is_current = |slot| {
        manifest(slot).is_some_and(|made| {
            made.inputs.iter().all(|(&input, hash)| manifest(input).is_some_and(|input| input.content() == *hash))
        })
    };
    let (evaluated, exported) = (is_current(Slot::Evaluate), is_current(Slot::Export));
    let metrics = if evaluated { read(&run.stage(Slot::Evaluate).join("metrics.json")) } else { Value::Null };
    let training = read(&run.stage(Slot::Train).join("summary.json"));
    let summary = Summary {
        run: config.run.clone(),
        stages: outcomes
            .iter()
            .map(|outcome| Stage { name: outcome.slot, state: state(outcome), seconds: outcome.seconds })
            .collect(),
        test: figures(&metrics),
        judgement: metrics["judgement"]["message"].as_str().map(str::to_owned),
        findings: findings(Slot::Train, &training).chain(findings(Slot::Evaluate, &metrics)).collect(),
        report: shown(run.stage(Slot::Evaluate).join("report.html")).filter(|_| evaluated),
        bundle: shown(run.stage(Slot::Export).join("bundle")).filter(|_| exported),
        pairs: read(&run.stage(Slot::Export).join("bundle/text.json"))["pairs"] == true,
    };
    if json {
        return print(to_json(&summary)?.trim_end());
    }
    print(&summary.as_text(hint_config))
}

impl Summary {
    fn as_text(&self, config: &Path) -> String {
        let mut lines = Vec::new();
        if let Some(Test { accuracy: Some(accuracy), macro_f1: Some(macro_f1), micro_f1, interval_95 }) = &self.test {
            let interval = interval_95.map(|Interval { low, high }| format!(" (95 % interval {low:.3} to {high:.3})"));
            let interval = interval.unwrap_or_default();
            lines.push(match micro_f1 {
                None => format!("test    accuracy {accuracy:.4}{interval}, macro F1 {macro_f1:.4}"),
                Some(micro_f1) => {
                    format!(
                        "test    micro F1 {micro_f1:.4}{interval}, macro F1 {macro_f1:.4}, all labels correct {accuracy:.4}"
                    )
                }
            });
        }
        // Evaluation's finding about the baseline is the judgement with a way out: once is enough.
        let told = self.findings.iter().any(|finding| finding.kind == "no_better_than_tfidf");
        lines.extend(self.judgement.iter().filter(|_| !told).map(|judgement| format!("verdict {judgement}")));
        lines.extend(self.findings.iter().map(|finding| format!("warning {}", finding.message)));
        lines.extend(self.report.iter().map(|report| format!("report  {report}")));
        match &self.bundle {
            Some(bundle) => {
                lines.push(format!("bundle  {bundle}"));
                let second = if self.pairs { " --pair \"another\"" } else { "" };
                lines.push(format!("try it  cargo xtask predict {bundle} \"some text\"{second}"));
            }
            None => lines.push(format!("go on   cargo xtask pipeline {}", config.display())),
        }
        // Paths and a custom stage's sentences may hold anything.
        lines.iter().map(|line| escape(line)).collect::<Vec<_>>().join("\n")
    }
}

/// A JSON file of a stage; `null` when it is missing or not JSON, since a custom stage may leave other files.
fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// The `findings` of a stage's document: a list of `{"kind": …, "message": …}`.
fn findings(stage: Slot, document: &Value) -> impl Iterator<Item = Finding> {
    let list = document["findings"].as_array().into_iter().flatten();
    list.filter_map(move |finding| {
        let kind = finding["kind"].as_str().unwrap_or_default().to_owned();
        Some(Finding { stage, kind, message: finding["message"].as_str()?.to_owned() })
    })
}

fn figures(metrics: &Value) -> Option<Test> {
    let test = metrics.get("test")?;
    let figure = |name: &str| test[name].as_f64();
    let multi_label = metrics["multi_label"] == true;
    let interval = if multi_label { "micro_f1_interval_95" } else { "accuracy_interval_95" };
    Some(Test {
        accuracy: figure("accuracy"),
        macro_f1: figure("macro_f1"),
        micro_f1: test["averages"]["micro"]["f1"].as_f64().filter(|_| multi_label),
        interval_95: Interval::deserialize(&test[interval]).ok(),
    })
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
        let mut summary = Summary { run: "r".to_owned(), ..Summary::default() };
        assert_eq!(summary.as_text(Path::new("c.toml")), "go on   cargo xtask pipeline c.toml");
        summary.test = Some(Test { accuracy: Some(0.8351), macro_f1: Some(0.835), micro_f1: None, interval_95: None });
        summary.bundle = Some("data/b".to_owned());
        assert_eq!(
            summary.as_text(Path::new("c.toml")),
            "test    accuracy 0.8351, macro F1 0.8350\nbundle  data/b\ntry it  cargo xtask predict data/b \"some text\""
        );
        summary.pairs = true;
        assert!(summary.as_text(Path::new("c.toml")).ends_with("predict data/b \"some text\" --pair \"another\""));
    }

    /// Field cases 21 and 22: a run whose model learned nothing must not end in "try it" alone.
    #[test]
    fn a_model_that_is_no_better_is_called_that_in_the_last_lines() {
        let metrics = serde_json::json!({
            "test": {"accuracy": 0.5, "accuracy_interval_95": {"low": 0.25, "high": 0.75}, "macro_f1": 0.3333},
            "judgement": {"verdict": "worse", "message": "the model is worse than TF-IDF"},
            "findings": [{"kind": "one_label_for_all", "message": "the model answers `fi\u{1b}ne` to every test row"}],
        });
        let training =
            serde_json::json!({"findings": [{"kind": "no_better_than_start", "message": "it learned nothing"}]});
        let summary = Summary {
            test: figures(&metrics),
            judgement: metrics["judgement"]["message"].as_str().map(str::to_owned),
            findings: findings(Slot::Train, &training).chain(findings(Slot::Evaluate, &metrics)).collect(),
            bundle: Some("data/b".to_owned()),
            ..Summary::default()
        };
        assert_eq!(
            summary.as_text(Path::new("c.toml")),
            "test    accuracy 0.5000 (95 % interval 0.250 to 0.750), macro F1 0.3333\n\
             verdict the model is worse than TF-IDF\n\
             warning it learned nothing\n\
             warning the model answers `fi\\u{1b}ne` to every test row\n\
             bundle  data/b\n\
             try it  cargo xtask predict data/b \"some text\""
        );
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["findings"][0]["stage"], "train");
        assert_eq!(json["findings"][1]["kind"], "one_label_for_all");
    }

    #[test]
    fn documents_of_other_stages_are_read_as_far_as_they_go() {
        let odd = serde_json::json!({"findings": ["text", {"message": 3}, {"message": "m"}]});
        let found: Vec<Finding> = findings(Slot::Evaluate, &odd).collect();
        assert_eq!(found, [Finding { stage: Slot::Evaluate, kind: String::new(), message: "m".to_owned() }]);
        assert!(figures(&Value::Null).is_none() && findings(Slot::Train, &Value::Null).next().is_none());
    }
}
