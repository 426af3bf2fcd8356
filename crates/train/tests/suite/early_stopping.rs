//! Early stopping restores the best parameters, not the last.

use std::path::Path;

use firebrand_arch::softmax;
use firebrand_dataset::TokenRow;
use firebrand_model::{Classifier, device};
use firebrand_train::{Config, train};

use crate::support::{World, config, rows, tokens};

/// Rows with wrong labels: the better the training split is learned, the higher their loss.
fn misleading() -> Vec<TokenRow> {
    rows(24, 2).into_iter().map(|row| TokenRow { labels: vec![(row.labels[0] + 1) % 3], ..row }).collect()
}

fn loss_of(model: &Path, rows: &[TokenRow]) -> f64 {
    let classifier = Classifier::load(model, &device("flex").unwrap()).unwrap();
    let logits = classifier.logits(&tokens(rows), 10, &mut |_| ()).unwrap();
    let losses = rows.iter().zip(&logits).map(|(row, logits)| -f64::from(softmax(logits)[row.labels[0] as usize]).ln());
    losses.sum::<f64>() / rows.len() as f64
}

#[test]
fn training_stops_and_the_best_parameters_are_kept() {
    let world = World::new();
    let validation = misleading();
    world.write("validation", &validation);
    let config = Config { epochs: 12, early_stopping_patience: 2, warmup_ratio: 0.0, ..config() };
    train(&config, &world.io("best", &config, false), |_| false).unwrap();

    let found = world.summary("best");
    let best = found.best.unwrap();
    assert!(found.stopped_early && found.restored_best, "{found:?}");
    assert_eq!(found.epochs.len(), best.epoch as usize + 2);
    assert!(found.epochs.iter().all(|epoch| epoch.validation_loss >= best.validation_loss));
    let last = found.epochs.last().unwrap();
    let saved = loss_of(&world.path("best/model"), &validation);
    assert!((saved - best.validation_loss).abs() < 1e-4, "saved {saved}, best {best:?}");
    assert!((saved - last.validation_loss).abs() > 1e-2, "the test needs a last epoch that is worse: {last:?}");

    // The same, stopped between the best epoch and the end.
    let step = best.step + 1;
    train(&config, &world.io("resumed", &config, false), |done| done == step).unwrap_err();
    train(&config, &world.io("resumed", &config, true), |_| false).unwrap();
    world.assert_equal("best", "resumed");

    let config = Config { restore_best: false, ..config };
    train(&config, &world.io("last", &config, false), |_| false).unwrap();
    let saved = loss_of(&world.path("last/model"), &validation);
    assert!((saved - last.validation_loss).abs() < 1e-4, "saved {saved}, last {last:?}");
}

#[test]
fn without_patience_every_epoch_is_trained() {
    let world = World::new();
    world.write("validation", &misleading());
    let config = Config { epochs: 5, early_stopping_patience: 0, warmup_ratio: 0.0, ..config() };
    train(&config, &world.io("all", &config, false), |_| false).unwrap();
    let found = world.summary("all");
    assert_eq!((found.epochs.len(), found.steps, found.stopped_early), (5, 40, false));
}
