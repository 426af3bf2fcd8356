//! Multinomial logistic regression on sparse rows, with an L2 penalty, fitted by L-BFGS.
//!
//! The same objective as scikit-learn's `LogisticRegression(C=…)`: two classes share one weight vector, more than two have
//! one each, and the intercepts are not penalised.

use std::cell::RefCell;

use argmin::core::{CostFunction, Executor, Gradient, State};
use argmin::solver::linesearch::BacktrackingLineSearch;
use argmin::solver::linesearch::condition::ArmijoCondition;
use argmin::solver::quasinewton::LBFGS;

use super::sparse::SparseRows;

/// Fitting stops when the norm of the gradient of the mean loss is below this; scikit-learn uses 1e-4 for the largest entry.
const GRADIENT_TOLERANCE: f64 = 1e-4;
/// More steps than any text data set has needed; if it is reached, the last point is used.
const MAX_STEPS: u64 = 500;
/// History size of L-BFGS; scipy's default.
const MEMORY: usize = 10;

/// A fitted regression.
#[derive(Debug, Clone)]
pub(crate) struct Logistic {
    classes: usize,
    /// `outputs` weights per column, then `outputs` intercepts.
    parameters: Vec<f64>,
}

/// Targets of a fit: a class and a weight per row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Targets<'a> {
    pub(crate) truth: &'a [u32],
    pub(crate) weights: &'a [f32],
    pub(crate) classes: usize,
}

/// Number of weight vectors: two classes need only one.
pub(crate) fn outputs(classes: usize) -> usize {
    if classes == 2 { 1 } else { classes }
}

impl Logistic {
    /// Fits with inverse regularisation strength `c`: `loss = Σ wᵢ·lossᵢ + ‖weights‖² / 2c`. `start` is a fit of the same
    /// shape, for a warm start.
    ///
    /// # Errors
    /// When the optimiser fails without a single step; finite rows do not cause that.
    pub(crate) fn fit(
        rows: &SparseRows,
        targets: Targets<'_>,
        c: f64,
        start: Option<&Self>,
    ) -> Result<Self, argmin::core::Error> {
        Self::fit_to(GRADIENT_TOLERANCE, rows, targets, c, start)
    }

    /// Fits two classes of which the second may be rare. The gradient of the mean loss shrinks with the class's share, so the
    /// tolerance does too.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub(crate) fn fit_rare(rows: &SparseRows, targets: Targets<'_>, c: f64) -> Result<Self, argmin::core::Error> {
        let (mut positive, mut total) = (0.0, 0.0);
        for (&class, &weight) in targets.truth.iter().zip(targets.weights) {
            positive += f64::from(weight) * f64::from(class);
            total += f64::from(weight);
        }
        let share = if total > 0.0 { positive / total } else { 0.0 };
        // 1 for a class with half of the rows; bounded below because of rounding.
        let spread = (4.0 * share * (1.0 - share)).max(1e-4);
        // Starts with the log-odds of the class as the intercept, which saves the first steps.
        let log_odds = (share.clamp(1e-6, 1.0 - 1e-6) / (1.0 - share).clamp(1e-6, 1.0)).ln();
        let start = Self { classes: 2, parameters: [vec![0.0; rows.columns()], vec![log_odds]].concat() };
        Self::fit_to(GRADIENT_TOLERANCE * spread, rows, targets, c, Some(&start))
    }

    /// The weights by column, and the intercept, of a regression of two classes.
    pub(crate) fn binary(&self) -> (&[f64], f64) {
        let (intercept, weights) = self.parameters.split_last().map_or((0.0, &[][..]), |(last, rest)| (*last, rest));
        (weights, intercept)
    }

    fn fit_to(
        tolerance: f64,
        rows: &SparseRows,
        targets: Targets<'_>,
        c: f64,
        start: Option<&Self>,
    ) -> Result<Self, argmin::core::Error> {
        let size = (rows.columns() + 1) * outputs(targets.classes);
        let start = start.map_or_else(|| vec![0.0; size], |start| start.parameters.clone());
        let problem = Problem::new(rows, targets, c);
        // The loss is convex: any descent that Armijo accepts keeps the curvature positive, so no Wolfe search is needed.
        let search = BacktrackingLineSearch::new(ArmijoCondition::new(1e-4)?).rho(0.5)?;
        let solver = LBFGS::new(search, MEMORY).with_tolerance_grad(tolerance)?;
        let result = Executor::new(&problem, solver)
            .configure(|state| state.param(start.clone()).max_iters(MAX_STEPS))
            .timer(false)
            .ctrlc(false)
            .run()?;
        let parameters = result.state.get_best_param().cloned().unwrap_or(start);
        Ok(Self { classes: targets.classes, parameters })
    }

    /// Probabilities of the classes, one list per row.
    pub(crate) fn probabilities(&self, rows: &SparseRows) -> Vec<Vec<f32>> {
        let mut scores = vec![0.0; self.classes];
        (0..rows.len())
            .map(|row| {
                class_scores(rows, row, &self.parameters, &mut scores);
                softmax(&mut scores);
                scores.iter().map(|&share| share as f32).collect()
            })
            .collect()
    }
}

/// The class scores of a row. If there are two classes, the first has score 0.
fn class_scores(rows: &SparseRows, row: usize, parameters: &[f64], scores: &mut [f64]) {
    let outputs = outputs(scores.len());
    let skipped = scores.len() - outputs;
    let (weights, intercepts) = parameters.split_at(parameters.len() - outputs);
    scores[..skipped].fill(0.0);
    scores[skipped..].copy_from_slice(intercepts);
    for (column, value) in rows.row(row) {
        let weights = &weights[column * outputs..][..outputs];
        for (score, weight) in scores[skipped..].iter_mut().zip(weights) {
            *score += value * weight;
        }
    }
}

/// Softmax in place; returns the log-sum-exp of the scores.
fn softmax(scores: &mut [f64]) -> f64 {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - largest).exp();
        sum += *score;
    }
    for score in scores.iter_mut() {
        *score /= sum;
    }
    largest + sum.ln()
}

/// The penalised mean loss.
struct Problem<'a> {
    rows: &'a SparseRows,
    targets: Targets<'a>,
    /// One over the sum of all rows' weights.
    scale: f64,
    penalty: f64,
    /// Cache of the last evaluated point: the line search asks for the cost first and then, at the accepted point, for the
    /// gradient.
    last: RefCell<Option<Evaluation>>,
}

struct Evaluation {
    at: Vec<f64>,
    loss: f64,
    /// `weight · (probability − truth)`, `outputs` per row.
    residuals: Vec<f64>,
}

impl<'a> Problem<'a> {
    fn new(rows: &'a SparseRows, targets: Targets<'a>, c: f64) -> Self {
        let total: f64 = targets.weights.iter().copied().map(f64::from).sum();
        // If all rows weigh zero, only the penalty is left.
        let scale = if total > 0.0 { 1.0 / total } else { 1.0 };
        Self { rows, targets, scale, penalty: scale / c, last: RefCell::new(None) }
    }

    /// Calls `what` with the evaluation at this point.
    fn at<T>(&self, parameters: &[f64], what: impl FnOnce(&Evaluation) -> T) -> T {
        let known = self.last.take().filter(|last| last.at == parameters);
        let evaluation = known.unwrap_or_else(|| self.evaluate(parameters));
        let result = what(&evaluation);
        self.last.replace(Some(evaluation));
        result
    }

    fn evaluate(&self, parameters: &[f64]) -> Evaluation {
        let Targets { truth, weights, classes } = self.targets;
        let skipped = classes - outputs(classes);
        let mut scores = vec![0.0; classes];
        let mut residuals = Vec::with_capacity(self.rows.len() * outputs(classes));
        let mut loss = 0.0;
        for (row, (&truth, &weight)) in truth.iter().zip(weights).enumerate() {
            let (truth, weight) = (truth as usize, f64::from(weight) * self.scale);
            class_scores(self.rows, row, parameters, &mut scores);
            let score = scores[truth];
            loss += weight * (softmax(&mut scores) - score);
            scores[truth] -= 1.0;
            residuals.extend(scores[skipped..].iter().map(|residual| weight * residual));
        }
        let penalised = &parameters[..parameters.len() - outputs(classes)];
        loss += self.penalty / 2.0 * penalised.iter().map(|weight| weight * weight).sum::<f64>();
        Evaluation { at: parameters.to_vec(), loss, residuals }
    }

    fn gradient_of(&self, evaluation: &Evaluation) -> Vec<f64> {
        let outputs = outputs(self.targets.classes);
        let parameters = &evaluation.at;
        let penalised = parameters.len() - outputs;
        let mut gradient: Vec<f64> = parameters.iter().map(|weight| weight * self.penalty).collect();
        gradient[penalised..].fill(0.0);
        let (weights, intercepts) = gradient.split_at_mut(penalised);
        for (row, residuals) in evaluation.residuals.chunks_exact(outputs).enumerate() {
            for (intercept, residual) in intercepts.iter_mut().zip(residuals) {
                *intercept += residual;
            }
            for (column, value) in self.rows.row(row) {
                for (weight, residual) in weights[column * outputs..][..outputs].iter_mut().zip(residuals) {
                    *weight += value * residual;
                }
            }
        }
        gradient
    }
}

impl CostFunction for &Problem<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, parameters: &Vec<f64>) -> Result<f64, argmin::core::Error> {
        Ok(self.at(parameters, |evaluation| evaluation.loss))
    }
}

impl Gradient for &Problem<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, parameters: &Vec<f64>) -> Result<Vec<f64>, argmin::core::Error> {
        Ok(self.at(parameters, |evaluation| self.gradient_of(evaluation)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [[f32; 2]; 8] =
        [[0.0, 1.0], [0.5, 0.8], [1.0, 0.1], [0.9, 0.0], [0.2, 0.2], [0.4, 0.6], [0.7, 0.9], [0.1, 0.5]];

    fn matrix() -> SparseRows {
        let mut matrix = SparseRows::new(2);
        for row in ROWS {
            matrix.push((0..).zip(row).filter(|(_, value)| *value != 0.0));
        }
        matrix
    }

    fn close(found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < tolerance, "{found} is not {expected}");
        }
    }

    const EVEN: [f32; 8] = [1.0; 8];

    /// `LogisticRegression(C=C, tol=1e-10, max_iter=10000).fit(ROWS, [0, 0, 1, 1, 1, 0, 0, 1])`, then `coef_` and
    /// `intercept_`; scikit-learn 1.9.1.
    #[test]
    fn two_classes_equal_scikit_learn() {
        let targets = Targets { truth: &[0, 0, 1, 1, 1, 0, 0, 1], weights: &EVEN, classes: 2 };
        let weak = Logistic::fit_to(1e-10, &matrix(), targets, 1.0, None).unwrap();
        close(&weak.parameters, &[0.148_301_55, -0.987_913_78, 0.436_739_45], 1e-6);
        let strong = Logistic::fit_to(1e-10, &matrix(), targets, 100.0, Some(&weak)).unwrap();
        close(&strong.parameters, &[-2.822_459_36, -10.203_593_18, 6.418_476_97], 1e-5);
    }

    /// `LogisticRegression(C=10, tol=1e-10, max_iter=10000)`
    /// `.fit(ROWS, [0, 0, 1, 1, 2, 0, 2, 2], sample_weight=[1, 2, 1, .5, 1, 1, 3, 1])`, then `coef_`, `intercept_` and
    /// `predict_proba(ROWS[:2])`.
    #[test]
    fn three_classes_and_weights_equal_scikit_learn() {
        let weights = [1.0, 2.0, 1.0, 0.5, 1.0, 1.0, 3.0, 1.0];
        let targets = Targets { truth: &[0, 0, 1, 1, 2, 0, 2, 2], weights: &weights, classes: 3 };
        let fit = Logistic::fit_to(1e-10, &matrix(), targets, 10.0, None).unwrap();
        let columns = [-1.904_788_83, 2.339_349_91, -0.434_561_08, 1.974_162_71, -2.538_749_91, 0.564_587_20];
        close(&fit.parameters[..6], &columns, 1e-5);
        close(&fit.parameters[6..], &[0.112_092_58, -0.800_478_31, 0.688_385_74], 1e-5);
        let found: Vec<f64> = fit.probabilities(&matrix())[1].iter().copied().map(f64::from).collect();
        close(&found, &[0.436_232_83, 0.039_541_25, 0.524_225_92], 1e-5);
    }

    #[test]
    fn the_usual_tolerance_gives_almost_the_same_probabilities() {
        let targets = Targets { truth: &[0, 0, 1, 1, 1, 0, 0, 1], weights: &EVEN, classes: 2 };
        let exact = Logistic::fit_to(1e-10, &matrix(), targets, 10.0, None).unwrap().probabilities(&matrix());
        let usual = Logistic::fit(&matrix(), targets, 10.0, None).unwrap().probabilities(&matrix());
        for (exact, usual) in exact.iter().flatten().zip(usual.iter().flatten()) {
            assert!((exact - usual).abs() < 2e-3, "{exact} {usual}");
        }
    }

    #[test]
    fn rows_without_columns_give_the_classes_shares() {
        let mut empty = SparseRows::new(0);
        (0..4).for_each(|_| empty.push([]));
        let targets = Targets { truth: &[0, 1, 1, 1], weights: &[1.0; 4], classes: 2 };
        let fit = Logistic::fit(&empty, targets, 1.0, None).unwrap();
        assert!((fit.probabilities(&empty)[0][1] - 0.75).abs() < 1e-3);
    }

    #[test]
    fn separable_rows_stay_finite() {
        let mut rows = SparseRows::new(1);
        [0.0, 0.0, 1.0, 1.0].into_iter().for_each(|value| rows.push([(0, value)]));
        let targets = Targets { truth: &[0, 0, 1, 1], weights: &[1.0; 4], classes: 2 };
        let fit = Logistic::fit(&rows, targets, 1e6, None).unwrap();
        assert!(fit.parameters.iter().all(|weight| weight.is_finite()));
        assert!(fit.probabilities(&rows)[3][1] > 0.95);
    }

    #[test]
    fn the_gradient_is_that_of_the_loss() {
        let rows = matrix();
        let targets = Targets {
            truth: &[0, 0, 1, 1, 2, 0, 2, 2],
            weights: &[1.0, 2.0, 1.0, 0.5, 1.0, 1.0, 3.0, 1.0],
            classes: 3,
        };
        let problem = Problem::new(&rows, targets, 3.0);
        let point: Vec<f64> = (0..9).map(|i| f64::from(i * i % 5) * 0.3 - 0.5).collect();
        let gradient = problem.at(&point, |evaluation| problem.gradient_of(evaluation));
        let loss = |point: &[f64]| problem.at(point, |evaluation| evaluation.loss);
        for index in 0..point.len() {
            let (mut above, mut below) = (point.clone(), point.clone());
            above[index] += 1e-5;
            below[index] -= 1e-5;
            let slope = (loss(&above) - loss(&below)) / 2e-5;
            assert!((gradient[index] - slope).abs() < 1e-9, "{index}: {} is not {slope}", gradient[index]);
        }
    }
}
