//! Plans a run and executes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Instant;

use firebrand_pipeline::{Error, Request, Result, Slot, write_json};
use tracing::info;

use crate::child;
use crate::config::Config;
use crate::freshness::{Reason, Recipe, explain};
use crate::hashes::Hashes;
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::programs::{self, Program, Source};
use crate::run_dir::{self, Begun, RunDir};
use crate::workspace::Workspace;

/// A run with the programs that fill its slots.
#[derive(Debug)]
pub(crate) struct Runner<'a> {
    workspace: &'a Workspace,
    config: &'a Config,
    programs: BTreeMap<Slot, Program>,
    run: RunDir,
    hashes: Hashes,
    /// The content hash of every finished stage.
    content: BTreeMap<Slot, String>,
}

/// The stages to run.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    /// The stages.
    pub(crate) slots: BTreeSet<Slot>,
    /// Whether to run them even if they are fresh.
    pub(crate) force: bool,
}

/// The outcome of a stage.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) slot: Slot,
    pub(crate) ran: bool,
    /// How long it ran, now or when its result was made.
    pub(crate) seconds: f64,
}

impl<'a> Runner<'a> {
    /// Builds the programs and finds the finished stages.
    ///
    /// # Errors
    /// When a program does not build.
    pub(crate) fn open(workspace: &'a Workspace, config: &'a Config, source: &Source) -> Result<Self> {
        let run = RunDir::new(config.run_dir());
        let mut hashes = Hashes::open(run.hashes());
        let programs = programs::find(config, source, workspace, &mut hashes)?;
        let mut runner = Self { workspace, config, programs, run, hashes, content: BTreeMap::new() };
        runner.find_finished();
        Ok(runner)
    }

    /// Finds the finished stages.
    fn find_finished(&mut self) {
        let manifests = Slot::ALL.into_iter().filter_map(|slot| self.run.manifest(slot).ok().flatten());
        self.content = manifests.map(|manifest| (manifest.stage, manifest.content())).collect();
    }

    /// Which of the selected stages would run, and why. Nothing is changed.
    ///
    /// # Errors
    /// When a file that the configuration names cannot be read.
    pub(crate) fn plan(&mut self, selection: &Selection) -> Result<BTreeMap<Slot, Vec<Reason>>> {
        let mut plan = BTreeMap::new();
        let mut will_run = BTreeSet::new();
        for &slot in &selection.slots {
            let mut reasons = self.reasons(slot, selection.force)?;
            let inputs: Vec<_> = slot.inputs().iter().copied().filter(|input| will_run.contains(input)).collect();
            if !inputs.is_empty() && !reasons.contains(&Reason::New) {
                reasons.push(Reason::Follows(inputs));
            }
            if !reasons.is_empty() {
                will_run.insert(slot);
            }
            plan.insert(slot, reasons);
        }
        self.hashes.save();
        Ok(plan)
    }

    /// Notes for `status` on the selected stages' programs: which are not built, which are older than their sources, and which
    /// files commands watch.
    pub(crate) fn notes(&self, selection: &Selection) -> Vec<String> {
        let programs = || selection.slots.iter().map(|slot| &self.programs[slot]);
        let unbuilt: Vec<_> = programs().filter(|program| program.hash.is_none()).map(Program::words).collect();
        let describe = |program: &Program| {
            let source = self.workspace.show(program.newer_source.as_deref()?);
            Some(format!("{} ({source})", program.words()))
        };
        let outdated: Vec<_> = programs().filter_map(describe).collect();
        let mut notes = Vec::new();
        if !unbuilt.is_empty() {
            notes.push(format!("not built yet, so judged without their programs: {}", unbuilt.join(", ")));
        }
        if !outdated.is_empty() {
            notes.push(format!("older than their sources, so the next run compiles them: {}", outdated.join(", ")));
        }
        notes.extend(programs().filter_map(|program| program.watched.clone()));
        notes
    }

    fn recipe(&mut self, slot: Slot) -> Result<Recipe> {
        let section = self.config.section(slot);
        let executable = match &self.programs[&slot].hash {
            Some(hash) => hash.clone(),
            // A program that is not built is assumed not to have changed.
            None => self.run.manifest(slot).ok().flatten().map(|manifest| manifest.executable).unwrap_or_default(),
        };
        Recipe::now(slot, section, executable, &self.content, self.workspace.root(), &mut self.hashes)
    }

    fn reasons(&mut self, slot: Slot, force: bool) -> Result<Vec<Reason>> {
        let mut reasons = self.recipe(slot)?.compare(&self.run);
        if force && reasons.is_empty() {
            reasons.push(Reason::Forced);
        }
        Ok(reasons)
    }

    /// Runs those of the selected stages that are not fresh.
    ///
    /// # Errors
    /// When an earlier stage that is not selected has not finished, or a stage rejects its configuration or fails.
    pub(crate) fn execute(&mut self, selection: &Selection, lock: &Lock) -> Result<Vec<Outcome>> {
        self.run.recover()?;
        self.find_finished();
        let plan = self.plan(selection)?;
        let stale = || plan.iter().filter(|(_, reasons)| !reasons.is_empty()).map(|(&slot, _)| slot);
        if let Some(slot) = stale().find(|slot| self.programs[slot].hash.is_none()) {
            return Err(programs::missing(slot, &self.programs[&slot]));
        }
        self.require_inputs(selection, &plan)?;
        self.check(stale())?;
        let mut outcomes = Vec::new();
        for &slot in &selection.slots {
            let reasons = self.reasons(slot, selection.force)?;
            outcomes.push(if reasons.is_empty() { self.fresh(slot)? } else { self.run_stage(slot, &reasons, lock)? });
        }
        self.hashes.save();
        Ok(outcomes)
    }

    /// Lets stages check their configurations.
    ///
    /// # Errors
    /// When one rejects its configuration.
    pub(crate) fn check(&self, slots: impl Iterator<Item = Slot>) -> Result<()> {
        for slot in slots {
            self.write_request(slot, false)?;
            child::call(&self.programs[&slot], slot, "check", &self.run.request(slot), self.workspace.root())?;
        }
        Ok(())
    }

    /// Fails unless the inputs that are not selected have finished; they are used even if they are not fresh.
    fn require_inputs(&mut self, selection: &Selection, plan: &BTreeMap<Slot, Vec<Reason>>) -> Result<()> {
        let running = plan.iter().filter(|(_, reasons)| !reasons.is_empty()).map(|(slot, _)| *slot);
        let needed: BTreeSet<Slot> = running.flat_map(|slot| slot.inputs().iter().copied()).collect();
        for input in needed.into_iter().filter(|input| !selection.slots.contains(input)) {
            if !self.content.contains_key(&input) {
                return Err(Error::other(format!("the `{input}` stage of this run has not finished yet"))
                    .hint("maybe you forgot a previous step? `cargo xtask pipeline` runs whatever is missing"));
            }
            let reasons = self.reasons(input, false)?;
            if !reasons.is_empty() {
                info!(stage = input.name(), "is not fresh, but used as it is: {}", explain(&reasons));
            }
        }
        Ok(())
    }

    fn fresh(&self, slot: Slot) -> Result<Outcome> {
        info!(stage = slot.name(), "is fresh");
        let seconds = self.run.manifest(slot)?.map_or(0.0, |manifest| manifest.seconds);
        Ok(Outcome { slot, ran: false, seconds })
    }

    fn run_stage(&mut self, slot: Slot, reasons: &[Reason], lock: &Lock) -> Result<Outcome> {
        let recipe = self.recipe(slot)?;
        let begun = self.run.begin(slot, &recipe)?;
        self.hashes.save();
        self.write_request(slot, matches!(begun, Begun::Resumed(_)))?;
        let how = match &begun {
            Begun::Resumed(_) => "resumes an interrupted run",
            Begun::Empty | Begun::SetAside { .. } => "runs",
        };
        info!(stage = slot.name(), "{how}: {}", explain(reasons));
        let resumed_from = match begun {
            Begun::Empty => Vec::new(),
            Begun::Resumed(executables) => {
                if !executables.is_empty() {
                    info!(stage = slot.name(), "was begun by another build of {}", self.programs[&slot].words());
                }
                executables
            }
            Begun::SetAside { to, why } => {
                let to = self.workspace.show(&to);
                info!(stage = slot.name(), "work of an interrupted run is set aside in {to}: {why}");
                Vec::new()
            }
        };
        lock.note(&format!("stage {slot}"));
        let program = &self.programs[&slot];
        let started = Instant::now();
        child::call(program, slot, "run", &self.run.request(slot), self.workspace.root())?;
        let seconds = started.elapsed().as_secs_f64();
        for kept in self.run.set_superseded_aside(slot)? {
            info!(stage = slot.name(), "earlier work that was not used is kept in {}", self.workspace.show(&kept));
        }
        let outputs = run_dir::inspect(&self.run, slot, &program.words())?;
        let manifest = Manifest {
            stage: slot,
            package: program.words(),
            version: program.version.clone(),
            protocol: Request::PROTOCOL,
            executable: recipe.executable,
            resumed_from,
            config: recipe.config,
            files: recipe.files,
            inputs: recipe.inputs,
            outputs,
            seconds: (seconds * 1000.0).round() / 1000.0,
        };
        let previous = self.run.commit(slot, &manifest)?;
        self.content.insert(slot, manifest.content());
        info!(stage = slot.name(), "done in {}", crate::summary::duration(seconds));
        if let Some(previous) = previous {
            info!(
                stage = slot.name(),
                "the result that this one replaces is kept in {}",
                self.workspace.show(&previous)
            );
        }
        Ok(Outcome { slot, ran: true, seconds: manifest.seconds })
    }

    fn write_request(&self, slot: Slot, resume: bool) -> Result<()> {
        let section = self.config.section(slot);
        let request = Request {
            protocol: Request::PROTOCOL,
            slot,
            run: self.config.run.clone(),
            config: section.values.clone(),
            origins: section.origins.clone(),
            inputs: slot.inputs().iter().map(|&input| (input, self.run.stage(input))).collect(),
            output: self.run.tmp(slot),
            cache: self.config.cache_dir(),
            workspace: self.workspace.root().to_owned(),
            resume,
        };
        let path = self.run.request(slot);
        let dir = path.parent().unwrap_or(self.run.path());
        fs::create_dir_all(dir).map_err(|error| Error::io("create", dir, &error))?;
        write_json(&path, &request)
    }
}
