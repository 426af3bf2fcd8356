//! A run: what would run and why, and running it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Instant;

use firebrand_pipeline::{Error, Request, Result, Slot, progress, write_json};

use crate::child;
use crate::config::Config;
use crate::freshness::{Reason, Recipe, explain};
use crate::hashes::Hashes;
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::programs::{self, Program, Source};
use crate::run_dir::{self, RunDir};
use crate::workspace::Workspace;

/// A run with the programs that fill its slots.
#[derive(Debug)]
pub(crate) struct Runner<'a> {
    workspace: &'a Workspace,
    config: &'a Config,
    programs: BTreeMap<Slot, Program>,
    run: RunDir,
    hashes: Hashes,
    /// The content of every finished stage.
    content: BTreeMap<Slot, String>,
}

/// Which stages are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    /// The stages.
    pub(crate) slots: BTreeSet<Slot>,
    /// Whether they run even if they are fresh.
    pub(crate) force: bool,
}

/// What became of a stage.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) slot: Slot,
    pub(crate) ran: bool,
    /// How long it ran, or had run when it was made.
    pub(crate) seconds: f64,
}

impl<'a> Runner<'a> {
    /// Builds the programs and looks at what is there.
    ///
    /// # Errors
    /// When a program does not build or is not there.
    pub(crate) fn open(workspace: &'a Workspace, config: &'a Config, source: &Source) -> Result<Self> {
        let run = RunDir::new(config.run_dir());
        let mut hashes = Hashes::open(run.hashes());
        let programs = programs::find(config, source, workspace, &mut hashes)?;
        let mut runner = Self { workspace, config, programs, run, hashes, content: BTreeMap::new() };
        runner.look();
        Ok(runner)
    }

    /// Looks at what is finished.
    fn look(&mut self) {
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

    fn recipe(&mut self, slot: Slot) -> Result<Recipe> {
        let section = self.config.section(slot);
        let program = self.programs.get(&slot).ok_or_else(|| programs::missing(slot, &section.filler))?;
        Recipe::now(slot, section, program, &self.content, self.workspace.root(), &mut self.hashes)
    }

    fn reasons(&mut self, slot: Slot, force: bool) -> Result<Vec<Reason>> {
        let mut reasons = self.recipe(slot)?.compare(slot, &self.run);
        if force && reasons.is_empty() {
            reasons.push(Reason::Forced);
        }
        Ok(reasons)
    }

    /// Runs what is not fresh of the selected stages.
    ///
    /// # Errors
    /// When an earlier stage that is not selected has not finished, a stage refuses its configuration, or one fails.
    pub(crate) fn execute(&mut self, selection: &Selection, lock: &Lock) -> Result<Vec<Outcome>> {
        self.run.recover()?;
        self.look();
        let plan = self.plan(selection)?;
        self.require_inputs(selection, &plan)?;
        self.check(plan.iter().filter(|(_, reasons)| !reasons.is_empty()).map(|(&slot, _)| slot))?;
        let mut outcomes = Vec::new();
        for &slot in &selection.slots {
            let reasons = self.reasons(slot, selection.force)?;
            outcomes.push(if reasons.is_empty() { self.fresh(slot)? } else { self.run_stage(slot, &reasons, lock)? });
        }
        self.hashes.save();
        Ok(outcomes)
    }

    /// Asks stages whether they can work with their configuration.
    ///
    /// # Errors
    /// When one refuses it.
    pub(crate) fn check(&self, slots: impl Iterator<Item = Slot>) -> Result<()> {
        for slot in slots {
            self.write_request(slot, false)?;
            child::call(&self.programs[&slot], slot, "check", &self.run.request(slot), self.workspace.root())?;
        }
        Ok(())
    }

    /// Stages that are not asked for are used as they are, but they must be there.
    fn require_inputs(&mut self, selection: &Selection, plan: &BTreeMap<Slot, Vec<Reason>>) -> Result<()> {
        let running = plan.iter().filter(|(_, reasons)| !reasons.is_empty()).map(|(slot, _)| *slot);
        let needed: BTreeSet<Slot> = running.flat_map(|slot| slot.inputs().iter().copied()).collect();
        for input in needed.into_iter().filter(|input| !selection.slots.contains(input)) {
            if !self.content.contains_key(&input) {
                return Err(Error::other(format!("the `{input}` stage of this run has not finished yet"))
                    .hint("maybe you forgot a previous step? `cargo xtask pipeline` runs whatever is missing"));
            }
            let reasons = if self.programs.contains_key(&input) { self.reasons(input, false)? } else { Vec::new() };
            if !reasons.is_empty() {
                progress::log(&format!("{input:>8} is not fresh, but used as it is: {}", explain(&reasons)));
            }
        }
        Ok(())
    }

    fn fresh(&self, slot: Slot) -> Result<Outcome> {
        progress::log(&format!("{slot:>8} is fresh"));
        let seconds = self.run.manifest(slot)?.map_or(0.0, |manifest| manifest.seconds);
        Ok(Outcome { slot, ran: false, seconds })
    }

    fn run_stage(&mut self, slot: Slot, reasons: &[Reason], lock: &Lock) -> Result<Outcome> {
        let recipe = self.recipe(slot)?;
        let resume = self.run.begin(slot, &recipe.key())?;
        self.hashes.save();
        self.write_request(slot, resume)?;
        let how = if resume { "goes on from where it was interrupted" } else { "runs" };
        progress::log(&format!("{slot:>8} {how}: {}", explain(reasons)));
        lock.note(&format!("stage {slot}"));
        let program = &self.programs[&slot];
        let started = Instant::now();
        child::call(program, slot, "run", &self.run.request(slot), self.workspace.root())?;
        let seconds = started.elapsed().as_secs_f64();
        let outputs = run_dir::inspect(&self.run, slot, &program.words())?;
        let manifest = Manifest {
            stage: slot,
            package: program.words(),
            version: program.version.clone(),
            protocol: Request::PROTOCOL,
            executable: recipe.executable,
            config: recipe.config,
            files: recipe.files,
            inputs: recipe.inputs,
            outputs,
            seconds: (seconds * 1000.0).round() / 1000.0,
        };
        self.run.commit(slot, &manifest)?;
        self.content.insert(slot, manifest.content());
        progress::log(&format!("{slot:>8} done in {}", crate::summary::duration(seconds)));
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
