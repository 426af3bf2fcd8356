//! The stage as a process, as the runner starts it: kills, Ctrl-C, exit codes.

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use firebrand_train::Config;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::support::{World, config, rows};

fn start(world: &World, verb: &str, run: &str, config: &Config, resume: bool) -> Child {
    let file = world.path(&format!("{run}.json"));
    fs::write(&file, serde_json::to_string(&world.request(run, config, resume)).unwrap()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_firebrand-train"))
        .arg(verb)
        .arg(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn finish(child: Child) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    assert!(stdout.is_empty(), "stdout is for data");
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// A few seconds of work with a checkpoint every few steps.
fn long() -> (World, Config) {
    let world = World::new();
    world.write("train", &rows(400, 1));
    let config = Config { epochs: 4, checkpoint_steps: 4, restore_best: false, ..config() };
    (world, config)
}

#[test]
fn killed_at_random_moments_it_ends_with_the_same_bytes() {
    let (world, config) = long();
    let clock = Instant::now();
    let (code, log) = finish(start(&world, "run", "straight", &config, false));
    assert_eq!(code, Some(0), "{log}");
    let whole = clock.elapsed();

    // Fixed, so that a failure can be repeated as far as a machine's timing allows.
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for kill in 0..12 {
        let mut child = start(&world, "run", "killed", &config, kill > 0);
        std::thread::sleep(whole.mul_f64(rng.random_range(0.05..0.5)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (code, log) = finish(start(&world, "run", "killed", &config, true));
    assert_eq!(code, Some(0), "{log}");
    world.assert_equal("straight", "killed");
}

#[test]
fn ctrl_c_stops_at_a_checkpoint_and_the_same_command_resumes() {
    let (world, config) = long();
    let (code, log) = finish(start(&world, "run", "straight", &config, false));
    assert_eq!(code, Some(0), "{log}");

    let child = start(&world, "run", "asked", &config, false);
    let first = world.path("asked/checkpoints/step-4");
    let deadline = Instant::now() + Duration::from_secs(60);
    // Any checkpoint shows that training is under way.
    while !first.exists() && !first.with_file_name("step-8").exists() {
        assert!(Instant::now() < deadline, "no checkpoint appeared");
        std::thread::sleep(Duration::from_millis(1));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let (code, log) = finish(child);
    assert_eq!(code, Some(130), "{log}");
    assert!(log.contains("stopped after step") && log.contains("hint: the same command resumes"), "{log}");

    let (code, log) = finish(start(&world, "run", "asked", &config, true));
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("resuming after step"), "{log}");
    world.assert_equal("straight", "asked");
}

#[test]
fn exit_codes_tell_what_is_wrong() {
    let world = World::new();
    let negative = Config { learning_rate: -1e-5, ..config() };
    let (code, log) = finish(start(&world, "check", "negative", &negative, false));
    assert_eq!(code, Some(3), "{log}");
    assert!(log.contains("`train.learning_rate` is -0.00001"), "{log}");

    world.write("train", &[]);
    let (code, log) = finish(start(&world, "run", "empty", &config(), false));
    assert_eq!(code, Some(4), "{log}");
    assert!(log.contains("the train split has no rows"), "{log}");
}
