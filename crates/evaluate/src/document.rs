//! `metrics.json`: every figure, for programs.

use firebrand_dataset::LabelMap;
use firebrand_metrics::{Comparison, Figures};
use serde::Serialize;

use crate::baseline::{Baselines, Settings};
use crate::compare::Judgement;
use crate::findings::Finding;
use crate::model::ModelFacts;

/// The content of `metrics.json`.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    /// Label names by index; all lists below have the same order.
    pub(crate) labels: &'a [String],
    /// Whether the data is multi-label: a label is assigned if its probability is at least 0.5.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) multi_label: bool,
    /// Problems that the main figures do not show.
    pub(crate) findings: &'a [Finding],
    /// The model compared with TF-IDF; `None` without baselines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) judgement: Option<&'a Judgement>,
    pub(crate) test: &'a Figures,
    pub(crate) validation: &'a Figures,
    /// Baselines on the test split; `None` if the configuration switches them off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) baselines: Option<Measured<'a>>,
    pub(crate) model: &'a ModelFacts,
}

/// The figures of the baselines, and the comparison with the model: a positive difference means that the model is better.
#[derive(Debug, Serialize)]
pub(crate) struct Measured<'a> {
    majority: Majority<'a>,
    tfidf_logistic_regression: TfidfBaseline<'a>,
}

#[derive(Debug, Serialize)]
struct Majority<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    /// For multi-label data.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<&'a str>>,
    comparison: Option<&'a Comparison>,
    #[serde(flatten)]
    figures: &'a Figures,
}

#[derive(Debug, Serialize)]
struct TfidfBaseline<'a> {
    settings: &'a Settings,
    comparison: Option<&'a Comparison>,
    #[serde(flatten)]
    figures: &'a Figures,
}

impl<'a> Measured<'a> {
    pub(crate) fn new(labels: &'a LabelMap, baselines: &'a Baselines) -> Self {
        let Baselines { majority, tfidf } = baselines;
        let names: Vec<&str> = majority.labels.iter().filter_map(|&label| labels.name(label)).collect();
        Self {
            majority: Majority {
                label: names.first().copied().filter(|_| !labels.is_multi_label()),
                labels: labels.is_multi_label().then_some(names),
                comparison: majority.comparison.as_ref(),
                figures: &majority.test.figures,
            },
            tfidf_logistic_regression: TfidfBaseline {
                settings: &tfidf.settings,
                comparison: tfidf.comparison.as_ref(),
                figures: &tfidf.test.figures,
            },
        }
    }
}
