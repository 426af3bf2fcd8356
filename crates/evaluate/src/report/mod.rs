//! `report.html`: one file that opens without a network, made of sections.
//!
//! Everything is text in, text out: equal runs write equal bytes, and what came from the data is escaped.

mod data;
mod facts;
mod figures;
mod headline;
mod mistakes;
mod quality;
mod table;

use firebrand_dataset::LabelMap;

use crate::Config;
use crate::baseline::Baselines;
use crate::html::escape;
use crate::lengths::Lengths;
use crate::model::ModelFacts;
use crate::outcome::Outcome;
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
    /// Of the training, the validation and the test part.
    pub(crate) lengths: [Lengths; 3],
    pub(crate) validation_outcome: &'a Outcome,
    pub(crate) test_outcome: &'a Outcome,
    pub(crate) baselines: Option<&'a Baselines>,
    pub(crate) training: &'a Training,
}

impl Report<'_> {
    /// The whole page.
    pub(crate) fn html(&self) -> String {
        let sections = [
            headline::section(self),
            quality::per_label(self),
            quality::training(self),
            quality::calibration(self),
            mistakes::section(self),
            data::section(self),
            figures::section(self),
            facts::section(self),
        ];
        let run = escape(self.run);
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{run} · evaluation</title>\n\
             <style>\n{STYLE}</style>\n</head>\n<body>\n{}<main>\n{}</main>\n\
             <footer>Written by Firebrand’s evaluate stage. <span>Every figure is also in metrics.json, every answer in \
             predictions.parquet.</span></footer>\n</body>\n</html>\n",
            self.header(),
            sections.concat()
        )
    }

    fn header(&self) -> String {
        let facts = [
            format!("{} classifier", self.model.family),
            format!("{} parameters", millions(self.model.parameters)),
            format!("{} labels", self.labels.len()),
            crate::html::rows(self.test.len() as u64) + " in the test part",
        ];
        format!(
            "<header><p class=\"brand\">Firebrand <span>evaluation report</span></p>\n<h1>{}</h1>\n<p class=\"facts\">{}</p></header>\n",
            escape(self.run),
            facts.map(|fact| format!("<span>{}</span>", escape(&fact))).join("")
        )
    }

    fn label(&self, index: u32) -> &str {
        self.labels.name(index).unwrap_or("?")
    }
}

/// A section with a heading. `note`, which may be empty, says how to read it.
fn section(title: &str, note: &str, content: &str) -> String {
    let note = if note.is_empty() { String::new() } else { format!("<p class=\"note\">{note}</p>\n") };
    format!("<section>\n<h2>{title}</h2>\n{note}{content}\n</section>\n")
}

/// `22.7 M`, and small models whole.
fn millions(parameters: usize) -> String {
    if parameters < 1_000_000 {
        crate::html::count(parameters as u64)
    } else {
        format!("{:.1}\u{a0}M", parameters as f64 / 1e6)
    }
}
