//! Options of the learner: accumulation, freezing, decay by layer, R-Drop.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::Tensor;
use firebrand_model::{Batch, Classifier, device};
use firebrand_train::{AdamW, AdamWConfig, Freeze, LayerDecay, Learner, Lora, MicroBatch, Objective, Reinit};

use crate::support::{World, micro_batch, parameters, rows};

fn classifier(dropout: f64) -> Classifier {
    World::new().classifier(dropout, &device("flex").unwrap().autodiff())
}

fn adamw() -> AdamW {
    let no_decay = AdamWConfig::BIASES_AND_NORMS.map(str::to_owned).to_vec();
    AdamW::new(AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, no_decay })
}

/// AdamW's first step depends only on the signs of the gradients, so moments are compared through a second step, and figures
/// directly.
#[test]
fn four_batches_of_eight_are_one_of_thirty_two() {
    let rows = rows(60, 3);
    // The last batch is smaller: rows weigh the same, not batches.
    let weights: Vec<f32> = (0..28).map(|row| 0.5 + (row % 5) as f32 / 2.0).collect();
    let objectives = [
        (Objective::default(), false),
        (Objective { label_weights: Some(vec![3.0, 1.0, 0.25]), label_smoothing: 0.1, ..Objective::default() }, true),
    ];
    for (objective, weighted) in objectives {
        let weights = |range: std::ops::Range<usize>| if weighted { weights[range].to_vec() } else { Vec::new() };
        let run = |parts: &[std::ops::Range<usize>]| {
            let mut learner = Learner::new(classifier(0.0), adamw(), 1.0, 1).with_objective(objective.clone());
            let mut found = Vec::new();
            for step in 0..3 {
                let batches: Vec<_> =
                    parts.iter().map(|part| micro_batch(&rows[part.clone()], &weights(part.clone()))).collect();
                let figures;
                (learner, figures) = learner.step_over(step, &batches, 1e-3).unwrap();
                found.push(figures);
            }
            found
        };
        let whole = run(std::slice::from_ref(&(0..28)));
        let parts = run(&[0..8, 8..16, 16..24, 24..28]);
        for (whole, parts) in whole.iter().zip(&parts) {
            assert!((whole.loss - parts.loss).abs() < 2e-5, "{whole:?} {parts:?}");
            assert!((whole.grad_norm - parts.grad_norm).abs() < 2e-4 * whole.grad_norm, "{whole:?} {parts:?}");
        }
    }
}

#[test]
fn batches_of_a_step_have_different_masks_and_a_repeated_step_has_the_same() {
    let rows = rows(8, 3);
    let losses = |batches: &[MicroBatch<'_>]| {
        let learner = Learner::new(classifier(0.3), adamw(), 1.0, 1);
        learner.step_over(5, batches, 1e-3).unwrap().1.loss
    };
    let one = micro_batch(&rows, &[]);
    assert_eq!(losses(&[one.clone(), one.clone()]), losses(&[one.clone(), one.clone()]));
    // The mean over the same rows twice would be the loss of one batch if the masks were the same.
    assert!((losses(&[one.clone(), one.clone()]) - losses(&[one])).abs() > 1e-4);
}

#[test]
fn r_drop_adds_the_distance_of_two_passes() {
    let rows = rows(8, 3);
    let loss = |dropout: f64, r_drop: f64| {
        let objective = Objective { r_drop, ..Objective::default() };
        let learner = Learner::new(classifier(dropout), adamw(), 1.0, 1).with_objective(objective);
        learner.step_over(0, &[micro_batch(&rows, &[])], 1e-3).unwrap().1.loss
    };
    // Without dropout both passes are the same.
    assert!((loss(0.0, 50.0) - loss(0.0, 0.0)).abs() < 1e-6);
    assert!(loss(0.3, 50.0) > loss(0.3, 1e-9) + 1e-3);
}

#[test]
fn frozen_parts_keep_their_bytes_and_get_no_gradient() {
    let rows = rows(8, 3);
    let words = ["embeddings".to_owned(), "layers.0".to_owned()];
    let freeze = Freeze::new(&words, 0, 2).unwrap();
    let classifier = classifier(0.0).map_network(|network| freeze.apply(network, 0));
    let whole = Learner::new(self::classifier(0.0), adamw(), 0.0, 1);
    let mut learner = Learner::new(classifier, adamw(), 0.0, 1);
    let before = parameters(&learner.classifier);
    let (_, all) = whole.step_over(0, &[micro_batch(&rows, &[])], 1e-3).unwrap();
    let (next, some) = learner.step_over(0, &[micro_batch(&rows, &[])], 1e-3).unwrap();
    learner = next;
    assert_eq!(all.loss, some.loss);
    assert!(some.grad_norm < all.grad_norm);
    let after = parameters(&learner.classifier);
    for (path, values) in &after {
        let frozen = path.starts_with("encoder.embeddings") || path.starts_with("encoder.layers.0.");
        assert_eq!(*values == before[path], frozen, "{path}");
    }
}

/// Whether a tensor is not part of an autodiff graph: only then can it become a leaf of one.
fn is_outside(tensor: Tensor<3>) -> bool {
    catch_unwind(AssertUnwindSafe(|| tensor.require_grad())).is_ok()
}

#[test]
fn the_backward_pass_ends_at_the_lowest_trained_layer() {
    let rows = rows(4, 3);
    let outside = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let freeze = Freeze::new(&words, 0, 2).unwrap();
        let classifier = classifier(0.0).map_network(|network| freeze.apply(network, 0));
        let batch = Batch::new(&micro_batch(&rows, &[]).rows, classifier.pad_token_id(), &classifier.device()).unwrap();
        // After the embeddings, the first layer and the second.
        let states = classifier.network.encoder.hidden_states(&batch);
        states.into_iter().map(is_outside).collect::<Vec<_>>()
    };
    assert_eq!(outside(&[]), [false, false, false]);
    assert_eq!(outside(&["embeddings"]), [true, false, false]);
    assert_eq!(outside(&["embeddings", "layers.0"]), [true, true, false]);
    assert_eq!(outside(&["encoder"]), [true, true, true]);
}

#[test]
fn layers_are_unfrozen_one_after_the_other() {
    let rows = rows(8, 3);
    let freeze = Freeze::new(&[], 2, 2).unwrap();
    let mut learner = Learner::new(classifier(0.0), adamw(), 0.0, 1);
    let mut moved = Vec::new();
    for step in 0..8 {
        learner.classifier = learner.classifier.map_network(|network| freeze.apply(network, step));
        let before = parameters(&learner.classifier);
        (learner, _) = learner.step_over(step, &[micro_batch(&rows, &[])], 1e-3).unwrap();
        let after = parameters(&learner.classifier);
        let tops = [
            "head.output.weight",
            "encoder.layers.1.mlp.up.weight",
            "encoder.layers.0.mlp.up.weight",
            "encoder.embeddings.token",
        ];
        moved.push(tops.iter().filter(|path| before[**path] != after[**path]).count());
    }
    assert_eq!(moved, [1, 1, 2, 2, 3, 3, 4, 4]);
}

/// AdamW's first step is as large as the learning rate, whatever the gradient.
#[test]
fn lower_layers_move_less() {
    let rows = rows(8, 3);
    let plain = AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-12, weight_decay: 0.0, no_decay: Vec::new() };
    let optimizer = AdamW::new(plain).with_layer_decay(Some(LayerDecay { decay: 0.5, layers: 2 }));
    let mut learner = Learner::new(classifier(0.0), optimizer, 0.0, 1);
    let before = parameters(&learner.classifier);
    (learner, _) = learner.step_over(0, &[micro_batch(&rows, &[])], 1e-2).unwrap();
    let after = parameters(&learner.classifier);
    let largest = |path: &str| {
        let pairs = before[path].iter().zip(&after[path]);
        pairs.map(|(before, after)| f64::from((before - after).abs())).fold(0.0, f64::max)
    };
    for (path, expected) in [
        ("head.output.weight", 1e-2),
        ("encoder.layers.1.mlp.up.weight", 5e-3),
        ("encoder.layers.0.mlp.up.weight", 2.5e-3),
        ("encoder.embeddings.token", 1.25e-3),
    ] {
        assert!((largest(path) / expected - 1.0).abs() < 0.01, "{path}: {}", largest(path));
    }
}

#[test]
fn top_layers_are_reinitialised_and_the_rest_stays() {
    let learner = Learner::new(classifier(0.0), adamw(), 0.0, 1);
    let before = parameters(&learner.classifier);
    let reinit = Reinit { count: 1, layers: 2, pooler: true, deviation: 0.02, seed: 9 };
    let reinitialised = |reinit: Reinit| {
        let changed = learner.classifier.clone().map_network(|network| reinit.apply(network));
        parameters(&changed)
    };
    let after = reinitialised(reinit);
    for (path, values) in &after {
        let new = path.starts_with("encoder.layers.1.") || path.starts_with("head.dense.");
        match path {
            _ if !new => assert_eq!(*values, before[path], "{path}"),
            _ if path.ends_with("norm.weight") => assert!(values.iter().all(|&value| value == 1.0), "{path}"),
            _ if path.ends_with(".bias") => assert!(values.iter().all(|&value| value == 0.0), "{path}"),
            _ => {
                let square: f64 =
                    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / values.len() as f64;
                assert!((square.sqrt() / 0.02 - 1.0).abs() < 0.1, "{path}: {}", square.sqrt());
            }
        }
    }
    assert_eq!(after, reinitialised(reinit));
    assert_ne!(after, reinitialised(Reinit { seed: 10, ..reinit }));
}

/// The rank of a matrix, by elimination.
fn rank(mut rows: Vec<Vec<f64>>, tolerance: f64) -> usize {
    let (mut rank, columns) = (0, rows[0].len());
    while rank < rows.len() {
        let places = (rank..rows.len()).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let size = |&(row, column): &(usize, usize)| rows[row][column].abs();
        let (row, column) = places.max_by(|one, other| size(one).total_cmp(&size(other))).unwrap();
        if rows[row][column].abs() <= tolerance {
            break;
        }
        rows.swap(rank, row);
        let pivot = rows[rank].clone();
        for row in &mut rows[rank + 1..] {
            let factor = row[column] / pivot[column];
            row.iter_mut().zip(&pivot).for_each(|(value, pivot)| *value -= factor * pivot);
        }
        rank += 1;
    }
    rank
}

#[test]
fn lora_leaves_the_rest_of_the_encoder_untouched() {
    let rows = rows(16, 3);
    let targets = ["query".to_owned(), "value".to_owned()];
    let freeze = Freeze::new(&[], 0, 2).unwrap().with_lora(targets.to_vec());
    let classifier = classifier(0.0).map_network(|network| freeze.apply(network, 0));
    let lora = Lora::new(&classifier.network, 2, 4.0, &targets, 5).unwrap();
    let optimizer =
        AdamW::new(AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, no_decay: vec![] });
    let mut learner = Learner::new(classifier, optimizer, 1.0, 1).with_lora(Some(lora));
    let before = parameters(&learner.classifier);
    let mut losses = Vec::new();
    for step in 0..12 {
        let figures;
        (learner, figures) = learner.step_over(step, &[micro_batch(&rows, &[])], 1e-2).unwrap();
        losses.push(figures.loss);
    }
    let after = parameters(&learner.classifier);
    assert!(losses[11] < 0.9 * losses[0], "{losses:?}");
    for (path, values) in &after {
        let target = path.ends_with(".query.weight") || path.ends_with(".value.weight");
        assert_eq!(*values != before[path], target || path.starts_with("head."), "{path}");
        if target {
            let moved: Vec<f64> = values.iter().zip(&before[path]).map(|(a, b)| f64::from(a - b)).collect();
            let width = (moved.len() as f64).sqrt() as usize;
            let largest = moved.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
            let matrix: Vec<Vec<f64>> = moved.chunks(width).map(<[f64]>::to_vec).collect();
            assert_eq!(rank(matrix, 1e-4 * largest), 2, "{path}");
        }
    }
}
