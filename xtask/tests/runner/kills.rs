//! `kill -9` at any moment of any stage: what is there is whole, and the same command completes.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fake::{Place, STAGES};

/// Numbers that look random and are the same every time.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// The processes that `parent` started.
fn children(parent: u32) -> Vec<i32> {
    let of_parent = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let after_name = stat.rsplit_once(") ")?.1;
        (after_name.split(' ').nth(1)? == parent.to_string()).then_some(pid)
    };
    let names = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).filter_map(of_parent).collect()
}

/// Waits until the path is there; false when the process ended before.
fn appears(path: &Path, child: &mut Child) -> bool {
    let started = Instant::now();
    while !path.exists() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{} never appears", path.display());
    }
    true
}

#[test]
fn a_kill_at_any_moment_leaves_only_whole_results() {
    let place = Place::new();
    let mut noise = Noise(42);
    let mut kills = 0;
    for round in 0..4 {
        for stage in STAGES {
            // Another configuration each time, so that results are replaced, and forced, so that all stages run.
            let set = format!("{}.seed={round}", if round % 2 == 0 { "split" } else { "train" });
            let mut child = place.start("pipeline", &["--force", "--set", &set], 2);
            // In the last round the moment when the finished result takes its place.
            let sign = if round == 3 { format!("{stage}.tmp/manifest.json") } else { format!("{stage}.tmp") };
            if appears(&place.run_dir().join(sign), &mut child) {
                let pause = if round == 3 { noise.below(2_000) } else { noise.below(25_000) };
                std::thread::sleep(Duration::from_micros(pause));
                // Either the runner, or the stage below it.
                let stage_process = children(child.id()).first().copied().filter(|_| noise.below(2) == 0);
                match stage_process {
                    Some(pid) => drop(kill(Pid::from_raw(pid), Signal::SIGKILL)),
                    None => child.kill().unwrap(),
                }
                kills += 1;
                if stage_process.is_none() {
                    place.verify();
                }
            }
            child.wait_with_output().unwrap();
            place.verify();
        }
    }
    assert!(kills >= 20, "only {kills} kills");

    place.xtask("pipeline", &[]).ended(0);
    place.verify();
    for left in fs::read_dir(place.run_dir()).unwrap() {
        let name = left.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".tmp") && !name.ends_with(".old"), "{name} was left behind");
    }
    // And the result is the one of a run that nobody disturbed.
    let quiet = Place::new();
    quiet.xtask("pipeline", &[]).ended(0);
    for stage in STAGES {
        assert_eq!(place.manifest(stage)["outputs"], quiet.manifest(stage)["outputs"], "{stage}");
    }
}

#[test]
fn a_stage_ends_with_its_runner() {
    let place = Place::new();
    let mut child = place.start("pipeline", &[], 2_000);
    assert!(appears(&place.run_dir().join("fetch.tmp"), &mut child));
    let started = Instant::now();
    let stages = loop {
        let stages = children(child.id());
        if !stages.is_empty() || started.elapsed() > Duration::from_secs(5) {
            break stages;
        }
    };
    assert_eq!(stages.len(), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    let alive = || fs::read_to_string(format!("/proc/{}/stat", stages[0])).is_ok_and(|stat| !stat.contains(") Z "));
    let started = Instant::now();
    while alive() {
        assert!(started.elapsed() < Duration::from_secs(2), "the stage lives on without its runner");
        std::thread::sleep(Duration::from_millis(10));
    }
}
