//! `metrics.json`: every figure, for programs.

use firebrand_dataset::LabelMap;
use firebrand_metrics::{Comparison, Figures};
use serde::Serialize;

use crate::baseline::{Baselines, Settings};
use crate::compare::Judgement;
use crate::findings::Finding;
use crate::model::ModelFacts;

/// The document.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    /// Names, in the order of the indices that all lists below have.
    pub(crate) labels: &'a [String],
    /// Rows have any number of labels, each assigned from a probability of one half on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) multi_label: bool,
    /// What a glance at the figures would miss.
    pub(crate) findings: &'a [Finding],
    /// The model against TF-IDF; missing without baselines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) judgement: Option<&'a Judgement>,
    pub(crate) test: &'a Figures,
    pub(crate) validation: &'a Figures,
    /// On the test split; missing where the configuration leaves them out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) baselines: Option<Measured<'a>>,
    pub(crate) model: &'a ModelFacts,
}

/// The baselines' figures, with the model compared with each: a positive difference means that the model is better.
#[derive(Debug, Serialize)]
pub(crate) struct Measured<'a> {
    majority: Majority<'a>,
    tfidf_logistic_regression: Classic<'a>,
}

#[derive(Debug, Serialize)]
struct Majority<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    /// Where rows have any number of labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<&'a str>>,
    comparison: Option<&'a Comparison>,
    #[serde(flatten)]
    figures: &'a Figures,
}

#[derive(Debug, Serialize)]
struct Classic<'a> {
    settings: &'a Settings,
    comparison: Option<&'a Comparison>,
    #[serde(flatten)]
    figures: &'a Figures,
}

impl<'a> Measured<'a> {
    pub(crate) fn new(labels: &'a LabelMap, baselines: &'a Baselines) -> Self {
        let Baselines { majority, classic } = baselines;
        let names: Vec<&str> = majority.labels.iter().filter_map(|&label| labels.name(label)).collect();
        Self {
            majority: Majority {
                label: names.first().copied().filter(|_| !labels.is_multi_label()),
                labels: labels.is_multi_label().then_some(names),
                comparison: majority.comparison.as_ref(),
                figures: &majority.test.figures,
            },
            tfidf_logistic_regression: Classic {
                settings: &classic.settings,
                comparison: classic.comparison.as_ref(),
                figures: &classic.test.figures,
            },
        }
    }
}
