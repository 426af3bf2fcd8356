//! `report.html`: one file that opens without a network, made of sections.
//!
//! All markup is maud's, which escapes text from the data. Equal runs write equal bytes.

mod data;
mod facts;
mod figures;
mod headline;
mod mistakes;
mod quality;
mod table;

use firebrand_dataset::LabelMap;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::Config;
use crate::baseline::Baselines;
use crate::compare::Judgement;
use crate::display::{count, document, rows};
use crate::findings::Finding;
use crate::lengths::Lengths;
use crate::model::ModelFacts;
use crate::outcome::{Evaluation, Outcome};
use crate::rows::Rows;
use crate::training::Training;

const STYLE: &str = include_str!("style.css");

/// Everything that the report shows.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) run: &'a str,
    pub(crate) config: &'a Config,
    pub(crate) labels: &'a LabelMap,
    pub(crate) model: &'a ModelFacts,
    pub(crate) train: &'a Rows,
    pub(crate) validation: &'a Rows,
    pub(crate) test: &'a Rows,
    /// Lengths in the training, validation and test split.
    pub(crate) lengths: [Lengths; 3],
    pub(crate) validation_evaluation: &'a Evaluation,
    pub(crate) test_outcome: &'a Outcome,
    pub(crate) baselines: Option<&'a Baselines>,
    pub(crate) judgement: Option<&'a Judgement>,
    pub(crate) findings: &'a [Finding],
    pub(crate) training: &'a Training,
}

impl Report<'_> {
    /// The whole page.
    pub(crate) fn html(&self) -> String {
        let page = html! {
            (DOCTYPE) "\n"
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.run) " · evaluation" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    (self.header())
                    main {
                        (headline::section(self))
                        (quality::per_label(self))
                        (quality::training(self))
                        (quality::calibration(self))
                        (mistakes::section(self))
                        (data::section(self))
                        (figures::section(self))
                        (facts::section(self))
                    }
                    footer {
                        "Written by Firebrand’s evaluate stage. "
                        span { "Every figure is also in metrics.json, every prediction in predictions.parquet." }
                    }
                }
            }
            "\n"
        };
        document(page)
    }

    fn header(&self) -> Markup {
        let facts = [
            format!("{} classifier", self.model.family),
            format!("{} parameters", millions(self.model.parameters)),
            format!("{} labels", count(self.labels.len() as u64)),
            format!("{} in the test split", rows(self.test.len() as u64)),
        ];
        html! {
            header {
                p class="brand" { "Firebrand " span { "evaluation report" } }
                h1 { (self.run) }
                p class="facts" { @for fact in &facts { span { (fact) } } }
            }
            "\n"
        }
    }

    fn label(&self, index: u32) -> &str {
        self.labels.name(index).unwrap_or("?")
    }
}

/// A section with a heading and an explanatory note, which may be empty.
fn section(title: &str, note: &str, content: Markup) -> Markup {
    html! {
        section {
            h2 { (title) }
            @if !note.is_empty() { p class="note" { (note) } }
            (content)
        }
        "\n"
    }
}

/// A number of parameters, in millions from one million on: `22.7 M`.
fn millions(parameters: usize) -> String {
    if parameters < 1_000_000 { count(parameters as u64) } else { format!("{:.1}\u{a0}M", parameters as f64 / 1e6) }
}
