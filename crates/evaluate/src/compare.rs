//! Compares the model with the baselines on the same test rows, and computes the intervals of all figures.

use firebrand_metrics::{Compared, Comparison, Figures, Task, Test, Verdict, resample};
use serde::Serialize;

use crate::baseline::Baselines;
use crate::display::p_value;
use crate::outcome::Evaluation;
use crate::rows::Rows;

/// Adds the intervals of the model's and the baselines' figures, and compares the model with each baseline.
pub(crate) fn compare(test: &Rows, task: Task, model: &mut Evaluation, baselines: Option<&mut Baselines>) {
    let units = test.units();
    let Some(Baselines { majority, tfidf }) = baselines else {
        let samples = resample(&[model.to_compare(test)], &units);
        model.figures.add_intervals(&samples[0], units.are_groups());
        return;
    };
    let samples =
        resample(&[&*model, &tfidf.test, &majority.test].map(|evaluation| evaluation.to_compare(test)), &units);
    let compared = |evaluation: &Evaluation, place: usize| {
        let against = |other: &Evaluation, of_other: usize| {
            let [first, second] = [(evaluation, place), (other, of_other)].map(|(evaluation, place)| Compared {
                predictions: evaluation.to_compare(test),
                figures: headline_figures(&evaluation.figures),
                samples: &samples[place],
            });
            Comparison::new(task, first, second, &units)
        };
        [against(&tfidf.test, 1), against(&majority.test, 2)]
    };
    let [with_tfidf, with_majority] = compared(model, 0);
    (tfidf.comparison, majority.comparison) = (Some(with_tfidf), Some(with_majority));
    for (evaluation, samples) in [model, &mut tfidf.test, &mut majority.test].into_iter().zip(&samples) {
        evaluation.figures.add_intervals(samples, units.are_groups());
    }
}

fn headline_figures(figures: &Figures) -> [f64; 3] {
    [figures.accuracy, figures.macro_f1, figures.averages.micro.f1.unwrap_or_default()]
}

/// Whether the model is better than TF-IDF, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) message: String,
}

impl Judgement {
    /// Judges the comparison of the model with TF-IDF.
    pub(crate) fn new(comparison: &Comparison) -> Self {
        let headline = comparison.headline();
        let figure = if comparison.micro_f1.is_some() { "micro F1" } else { "accuracy" };
        let points = format!("{:.1} points of {figure}", headline.difference.abs() * 100.0);
        let interval = headline.interval_95;
        let evidence = format!(
            "95 % interval of the difference {:+.1} to {:+.1}; {}, {}",
            interval.low * 100.0,
            interval.high * 100.0,
            test_name(headline.test),
            p_value(headline.p_value)
        );
        const TFIDF: &str = "TF-IDF with logistic regression";
        let message = match comparison.verdict {
            Verdict::Better => format!("the model is {points} better than {TFIDF} ({evidence})"),
            Verdict::Worse => {
                format!("the model is {points} worse than {TFIDF}, which is far cheaper to run ({evidence})")
            }
            Verdict::Undecided => {
                let seen = match headline.difference {
                    0.0 => format!("both have the same {figure}"),
                    positive if positive > 0.0 => format!("it is {points} better, which may be chance"),
                    _ => format!("it is {points} worse, which may be chance"),
                };
                format!("the model is not measurably better than {TFIDF}: {seen} ({evidence})")
            }
        };
        Self { verdict: comparison.verdict, message }
    }
}

/// The usual name of a test.
pub(crate) fn test_name(test: Test) -> &'static str {
    match test {
        Test::ExactMcnemar => "exact McNemar test",
        Test::GroupSignFlip => "sign-flip test over groups of rows",
        Test::PairedBootstrap => "paired bootstrap",
    }
}

#[cfg(test)]
mod tests {
    use firebrand_metrics::{Difference, Interval};

    use super::*;

    fn comparison(difference: f64, verdict: Verdict) -> Comparison {
        let difference = Difference {
            difference,
            interval_95: Interval { low: -0.01, high: 0.05 },
            p_value: 0.03,
            test: Test::ExactMcnemar,
        };
        Comparison {
            verdict,
            accuracy: difference,
            macro_f1: difference,
            micro_f1: None,
            only_first_right: 3,
            only_second_right: 1,
        }
    }

    #[test]
    fn the_sentence_names_the_test_and_its_result() {
        assert_eq!(
            Judgement::new(&comparison(0.02, Verdict::Better)).message,
            "the model is 2.0 points of accuracy better than TF-IDF with logistic regression (95 % interval of the \
             difference -1.0 to +5.0; exact McNemar test, p = 0.030)"
        );
        let worse = Judgement::new(&comparison(-0.02, Verdict::Worse)).message;
        assert!(worse.starts_with("the model is 2.0 points of accuracy worse than "), "{worse}");
        let undecided = Judgement::new(&comparison(0.02, Verdict::Undecided)).message;
        assert!(undecided.starts_with("the model is not measurably better than "), "{undecided}");
        assert!(undecided.contains("it is 2.0 points of accuracy better, which may be chance"), "{undecided}");
        let undecided = Judgement::new(&comparison(-0.02, Verdict::Undecided)).message;
        assert!(undecided.contains("it is 2.0 points of accuracy worse, which may be chance"), "{undecided}");
    }
}
