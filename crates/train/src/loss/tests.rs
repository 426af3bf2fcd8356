//! Losses and gradients of scores against torch 2.15, float64:
//!
//! ```python
//! x = [[1.0, -0.5, 0.25], [0.2, 0.4, -1.0], [-2.0, 1.5, 0.5], [0.1, 0.0, 0.3]]
//! x2 = [[0.8, -0.1, 0.05], [0.5, 0.3, -0.7], [-1.5, 1.0, 0.9], [0.0, 0.2, 0.1]]
//! y, t = [0, 2, 1, 2], [[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0]]
//! w, r = [0.5, 2.0, 1.5], [1.0, 2.0, 0.5, 0.0]
//! ```

use burn::tensor::{Tensor, TensorData};
use firebrand_arch::ProblemType;
use firebrand_dataset::{LabelMap, TokenRow};
use firebrand_model::device;

use super::Objective;
use crate::Rows;

const X: [f32; 12] = [1.0, -0.5, 0.25, 0.2, 0.4, -1.0, -2.0, 1.5, 0.5, 0.1, 0.0, 0.3];
const X2: [f32; 12] = [0.8, -0.1, 0.05, 0.5, 0.3, -0.7, -1.5, 1.0, 0.9, 0.0, 0.2, 0.1];
const ONE: [&[u32]; 4] = [&[0], &[2], &[1], &[2]];
const SEVERAL: [&[u32]; 4] = [&[0], &[1, 2], &[], &[0, 1]];
const ROWS: [f32; 4] = [1.0, 2.0, 0.5, 0.0];

fn label_weights() -> Option<Vec<f32>> {
    Some(vec![0.5, 2.0, 1.5])
}

#[track_caller]
fn check(objective: &Objective, labels: &[&[u32]; 4], weights: &[f32], expected: f64, gradient: [f64; 12]) {
    for name in firebrand_model::CPU_DEVICES {
        let device = device(name).unwrap().autodiff();
        let problem = match labels[1].len() > 1 {
            true => ProblemType::MultiLabelClassification,
            false => ProblemType::SingleLabelClassification,
        };
        let scores = |values: [f32; 12]| {
            Tensor::<2>::from_data(TensorData::new(values.to_vec(), [4, 3]), &device).require_grad()
        };
        let targets = objective.targets(labels, weights, (3, problem), &device).unwrap();
        let x = scores(X);
        let loss = match objective.r_drop > 0.0 {
            true => objective.loss_of_two(x.clone(), scores(X2), &targets),
            false => objective.loss(x.clone(), &targets),
        };
        let value: f64 = loss.clone().into_data().iter::<f64>().sum();
        assert!((value - expected).abs() < 2e-6, "{name}: {value}, expected {expected}");
        let found = x.grad(&loss.backward()).unwrap().into_data();
        for (found, expected) in found.iter::<f64>().zip(gradient) {
            assert!((found - expected).abs() < 2e-6, "{name}: {found}, expected {expected}");
        }
    }
}

/// `cross_entropy(x, y, weight=w)`.
#[test]
fn weights_of_labels() {
    check(
        &Objective { label_weights: label_weights(), ..Objective::default() },
        &ONE,
        &[],
        1.005793277,
        [
            -0.037291121,
            0.011963786,
            0.025327335,
            0.108113692,
            0.132050362,
            -0.240164054,
            0.007854266,
            -0.103538809,
            0.095684543,
            0.087238106,
            0.078936303,
            -0.166174409,
        ],
    );
}

/// `cross_entropy(x, y, weight=w, label_smoothing=0.1)`.
#[test]
fn smoothed_labels() {
    check(
        &Objective { label_weights: label_weights(), label_smoothing: 0.1, ..Objective::default() },
        &ONE,
        &[],
        1.028776212,
        [
            -0.022294187,
            0.001836538,
            0.020457649,
            0.103882126,
            0.118461924,
            -0.222344050,
            0.004562154,
            -0.087966303,
            0.083404149,
            0.083238491,
            0.065938021,
            -0.149176512,
        ],
    );
}

/// `(cross_entropy(x, y, reduction="none") * r).sum() / r.sum()`.
#[test]
fn weights_of_rows() {
    check(
        &Objective::default(),
        &ONE,
        &ROWS,
        1.413172106,
        [
            -0.117200668,
            0.037600471,
            0.079600197,
            0.226523927,
            0.276676949,
            -0.503200876,
            0.003085604,
            -0.040675961,
            0.037590356,
            0.0,
            0.0,
            0.0,
        ],
    );
}

/// `(-(1 - p)**2 * p.log()).mean()`, `p` the probability of the label.
#[test]
fn the_focal_loss() {
    check(
        &Objective { focal_gamma: 2.0, ..Objective::default() },
        &ONE,
        &[],
        0.528249504,
        [
            -0.043454686,
            0.013941189,
            0.029513497,
            0.121142551,
            0.147963846,
            -0.269106396,
            0.001174803,
            -0.015486830,
            0.014312028,
            0.065470948,
            0.059240564,
            -0.124711512,
        ],
    );
}

/// The mean of both cross-entropies, and 4 times the mean of both `kl_div(…, reduction="none").sum(1).mean()`.
#[test]
fn two_passes_are_drawn_together() {
    check(
        &Objective { r_drop: 4.0, ..Objective::default() },
        &ONE,
        &[],
        1.193339785,
        [
            0.000801020,
            -0.060225215,
            0.059424194,
            -0.026484653,
            0.159461678,
            -0.132977024,
            -0.015165593,
            0.162816484,
            -0.147650891,
            0.057254514,
            -0.039190231,
            -0.018064283,
        ],
    );
}

/// `(binary_cross_entropy_with_logits(x, t, pos_weight=w, reduction="none").mean(1) * r).sum() / r.sum()`.
#[test]
fn weights_of_presence_and_of_rows() {
    check(
        &Objective { label_weights: label_weights(), ..Objective::default() },
        &SEVERAL,
        &ROWS,
        0.994855257,
        [
            -0.012806734,
            0.035956254,
            0.053540619,
            0.104730285,
            -0.152880891,
            -0.208873880,
            0.005676330,
            0.038932118,
            0.029640921,
            0.0,
            0.0,
            0.0,
        ],
    );
}

/// `binary_cross_entropy_with_logits(x, t * 0.9 + 0.05)`.
#[test]
fn smoothed_presence() {
    check(
        &Objective { label_smoothing: 0.1, ..Objective::default() },
        &SEVERAL,
        &[],
        0.770375938,
        [
            -0.018245118,
            0.027295056,
            0.042681375,
            0.041652833,
            -0.029276028,
            -0.056754882,
            0.005766910,
            0.063964540,
            0.047704944,
            -0.035418401,
            -0.037500000,
            0.043703543,
        ],
    );
}

/// `(-(1 - p)**2 * p.log()).mean()`, `p` the probability of each label's presence or absence.
#[test]
fn the_focal_loss_of_presence() {
    check(
        &Objective { focal_gamma: 2.0, ..Objective::default() },
        &SEVERAL,
        &[],
        0.291178975,
        [
            -0.004381761,
            0.011494750,
            0.033853618,
            0.031955556,
            -0.013630120,
            -0.064019560,
            0.000405912,
            0.080118724,
            0.043845985,
            -0.021654574,
            -0.024857233,
            0.035792206,
        ],
    );
}

/// As above, with the divergence of presence and absence, averaged over labels.
#[test]
fn two_passes_of_presence() {
    check(
        &Objective { r_drop: 4.0, ..Objective::default() },
        &SEVERAL,
        &[],
        0.805019212,
        [
            0.002195188,
            -0.016182744,
            0.039908341,
            -0.001570301,
            -0.008676145,
            -0.050769839,
            -0.014319777,
            0.060913790,
            -0.004479471,
            -0.011473069,
            -0.037472333,
            0.040327603,
        ],
    );
}

/// Nothing weighs anything: no division by it.
#[test]
fn rows_without_weight_teach_nothing() {
    for labels in [&ONE, &SEVERAL] {
        check(&Objective::default(), labels, &[0.0; 4], 0.0, [0.0; 12]);
    }
}

/// What `targets` and `loss` give for scores of zero.
#[test]
fn the_loss_of_guessing_is_that_of_equal_scores() {
    let device = device("flex").unwrap().autodiff();
    let base = Objective::default();
    let objectives = [
        base.clone(),
        Objective { label_weights: label_weights(), ..base.clone() },
        Objective { label_weights: Some(vec![1.0, 60.0, 3.0]), focal_gamma: 2.0, label_smoothing: 0.1, ..base },
    ];
    for (labels, problem) in
        [(ONE, ProblemType::SingleLabelClassification), (SEVERAL, ProblemType::MultiLabelClassification)]
    {
        let several = problem == ProblemType::MultiLabelClassification;
        let map = LabelMap::new(["a", "b", "c"].map(str::to_owned).to_vec()).unwrap().with_multi_label(several);
        let row = |(labels, weight): (&[u32], f32)| TokenRow {
            id: 0,
            ids: vec![1],
            type_ids: vec![0],
            labels: labels.to_vec(),
            weight,
            cut: 0,
        };
        let rows = Rows::new(labels.into_iter().zip(ROWS).map(row).collect(), &map, "train").unwrap();
        for objective in &objectives {
            let targets = objective.targets(&labels, &ROWS, (3, problem), &device).unwrap();
            let scores = Tensor::<2>::zeros([4, 3], &device);
            let expected = objective.loss(scores, &targets).into_data().iter::<f64>().sum::<f64>();
            let found = objective.loss_of_guessing(&rows, 3, problem);
            assert!((found - expected).abs() < 1e-5 * (1.0 + expected), "{objective:?}: {found}, expected {expected}");
        }
    }
    assert!(
        (Objective::default().loss_of_guessing(&one_row(), 50, ProblemType::MultiLabelClassification)
            - std::f64::consts::LN_2)
            .abs()
            < 1e-4
    );
}

fn one_row() -> Rows {
    let map = LabelMap::new((0..50).map(|label| label.to_string()).collect()).unwrap().with_multi_label(true);
    let row = TokenRow { id: 0, ids: vec![1], type_ids: vec![0], labels: vec![3], weight: 1.0, cut: 0 };
    Rows::new(vec![row], &map, "train").unwrap()
}
