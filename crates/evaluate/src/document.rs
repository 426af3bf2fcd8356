//! `metrics.json`: every figure, for programs.

use firebrand_dataset::LabelMap;
use firebrand_metrics::Figures;
use serde::Serialize;

use crate::baseline::{Baselines, Settings};
use crate::model::ModelFacts;
use crate::outcome::Outcome;

/// The document.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    /// Names, in the order of the indices that all lists below have.
    labels: &'a [String],
    /// Rows have any number of labels, each given from a probability of one half on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    multi_label: bool,
    test: &'a Figures,
    validation: &'a Figures,
    /// On the test part; missing where the configuration leaves them out.
    #[serde(skip_serializing_if = "Option::is_none")]
    baselines: Option<Measured<'a>>,
    model: &'a ModelFacts,
}

#[derive(Debug, Serialize)]
struct Measured<'a> {
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
    #[serde(flatten)]
    figures: &'a Figures,
}

#[derive(Debug, Serialize)]
struct Classic<'a> {
    settings: &'a Settings,
    #[serde(flatten)]
    figures: &'a Figures,
}

impl<'a> Document<'a> {
    pub(crate) fn new(
        labels: &'a LabelMap,
        test: &'a Outcome,
        validation: &'a Outcome,
        baselines: Option<&'a Baselines>,
        model: &'a ModelFacts,
    ) -> Self {
        let baselines = baselines.map(|Baselines { majority, classic }| Measured {
            majority: {
                let names: Vec<&str> = majority.labels.iter().filter_map(|&label| labels.name(label)).collect();
                let label = names.first().copied().filter(|_| !labels.is_multi_label());
                Majority { label, labels: labels.is_multi_label().then_some(names), figures: &majority.test }
            },
            tfidf_logistic_regression: Classic { settings: &classic.settings, figures: &classic.test },
        });
        Self {
            labels: labels.names(),
            multi_label: labels.is_multi_label(),
            test: &test.figures,
            validation: &validation.figures,
            baselines,
            model,
        }
    }
}
