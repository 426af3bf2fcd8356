//! Two runs with any number of threads end with the same bytes.

use std::fs;
use std::process::Command;

use firebrand_train::{Config, Sampling, TrainingPrecision};

use crate::support::{World, config, rows};

/// Runs the stage's program with this many threads.
fn run(world: &World, name: &str, config: &Config, threads: usize) {
    let file = world.path(&format!("{name}.json"));
    fs::write(&file, serde_json::to_string(&world.request(name, config, false)).unwrap()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_firebrand-train"));
    let output = command.arg("run").arg(file).env("RAYON_NUM_THREADS", threads.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let world = World::new();
    // Large enough for matrix products and fused operations to use several threads.
    world.write("train", &rows(256, 1));
    let base = Config { deterministic: true, batch_size: 64, sort_window: 0, epochs: 1, ..config() };
    let mut options = vec![
        ("flex", base.clone()),
        ("bf16", Config { precision: TrainingPrecision::Bf16, ..base.clone() }),
        (
            "options",
            Config { sampling: Sampling::Balanced, r_drop: 0.5, focal_gamma: 1.0, ema_decay: 0.9, ..base.clone() },
        ),
    ];
    if cfg!(feature = "ndarray") {
        options.push(("ndarray", Config { device: "ndarray".to_owned(), ..base }));
    }
    for (name, config) in &options {
        let run = |threads: usize, round: usize| {
            let name = format!("{name}-{threads}-{round}");
            run(&world, &name, config, threads);
            name
        };
        let (one, again, two, five) = (run(1, 0), run(1, 1), run(2, 0), run(5, 0));
        for other in [again, two, five] {
            world.assert_equal(&one, &other);
        }
    }
}
