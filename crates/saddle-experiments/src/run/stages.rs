//! What is left to do, stage by stage, with the time that it is expected to take: said before anything starts.
//!
//! Trainings are timed by a few steps of each recipe on this machine, attacks by a few gradients on each architecture, all
//! from networks that have seen a few batches. It takes less than that: gradients of trained networks are sparser and so
//! faster, and fooled digits leave. Bounds and the search for nearest digits are not estimated.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use saddle_model::{Architecture, Network};

use super::curves::{Drawing, drawings};
use super::{Laboratory, Outside, Run, bounds, ladder, tally::JobWords, verdicts};
use crate::Result;
use crate::agenda::{NetworkId, chosen, curves, networks};
use crate::job::{Bench, hardly_trained, seconds_per_pass, seconds_per_step};
use crate::paper::{CellPlan, cells};
use crate::plan::{Figure1, LadderPlan, Rivals, VerdictPlan};

/// A part of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// What it is, such as `train madry_linf` or `table1`.
    pub name: String,
    /// Networks to be trained, cells, curves or comparisons of which something is left to do.
    pub jobs: usize,
    /// Forward and backward passes that are left, at most.
    pub passes: u64,
    /// Seconds that they are expected to take; none where that is not estimated.
    pub seconds: Option<f64>,
}

/// All stages of which something is left to do, in the order of the report; networks are trained when a stage needs them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stages(pub Vec<Stage>);

impl fmt::Display for Stages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(formatter, "nothing is left to do: all results are in the store");
        }
        writeln!(
            formatter,
            "left to do, at most: timed by a few steps of each training and a few gradients of each network on \
             this machine, hardly trained (trained networks answer faster, and digits that are fooled leave early):"
        )?;
        let width = self.0.iter().map(|stage| stage.name.len()).max().unwrap_or(0);
        for stage in &self.0 {
            let time = stage.seconds.map_or_else(|| "not estimated".to_owned(), duration);
            let (name, jobs, passes) = (&stage.name, stage.jobs, stage.passes);
            writeln!(formatter, "  {name:width$}  {jobs:4}  {passes:12} passes  {time:>13}")?;
        }
        let passes = self.0.iter().fold(0_u64, |sum, stage| sum.saturating_add(stage.passes));
        let seconds = self.0.iter().filter_map(|stage| stage.seconds).sum();
        write!(
            formatter,
            "  {:width$}  {:4}  {passes:12} passes  {:>13}",
            "in all",
            "",
            duration(seconds)
        )
    }
}

/// Hours and minutes, or seconds.
fn duration(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 90.0 => format!("about {seconds:.0} s"),
        seconds if seconds < 5400.0 => format!("about {:.0} min", seconds / 60.0),
        seconds => format!("about {:.1} h", seconds / 3600.0),
    }
}

impl Laboratory<'_> {
    /// What a run of the plan, or of the parts that `only` names, has left to do; takes a few steps of every training
    /// that is left, for the time.
    ///
    /// # Errors
    ///
    /// [`crate::Error::UnknownPart`] and [`crate::Error::Plan`]. A step that fails leaves its stage without an estimate.
    pub fn stages(&self, only: &[String]) -> Result<Stages> {
        self.stages_with(&Outside::default(), only)
    }

    /// [`Laboratory::stages`] of a run with what comes from elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Laboratory::stages`].
    pub fn stages_with(&self, outside: &Outside, only: &[String]) -> Result<Stages> {
        self.plan.check_only(only)?;
        let bench = Bench::new(self.plan, self.data, self.store, self.machine, self.commit)?;
        let run = Run::new(&bench, outside)?;
        let wanted = |part: &str| self.plan.wants(part, only);
        let tables = self.plan.tables.iter().filter(|table| wanted(&table.name));
        let tables: Vec<_> = tables.collect();
        let machine = self.machine.name();
        let admitted = outside.given.admitted(self.plan);
        let cells: Vec<(&str, Vec<CellPlan>)> = tables
            .iter()
            .map(|table| (table.name.as_str(), cells(&admitted, table, &machine)))
            .collect();
        let figure = self.plan.figure1.as_ref().filter(|_| wanted("figure1"));
        let rivals = self.plan.rivals.as_ref().filter(|_| wanted("rivals"));
        let ladder = self.plan.ladder.as_ref().filter(|_| wanted("ladder"));
        let verdicts = self.plan.verdicts.as_ref().filter(|_| wanted("verdicts"));

        let drawings: Vec<_> =
            drawings(self.plan).filter(|drawing| wanted(drawing.name())).collect();

        let mut estimate = Estimate {
            run: &run,
            networks: BTreeMap::new(),
            rates: BTreeMap::new(),
            seen: JobWords::new(),
        };
        let compared = Compared { figure, rivals, ladder, verdicts };
        let mut stages = estimate.trainings(&cells, &compared, &drawings)?;
        if let Some(asked) = self.plan.bounds.as_ref().filter(|_| wanted("bounds")) {
            let planned = bounds::planned(&bench, asked, &tables)?;
            let mut left = 0;
            for bound in &planned {
                left += usize::from(!self.store.contains(&bound.key()?));
            }
            let name = "bounds".to_owned();
            stages.push(Stage { name, jobs: left, passes: 0, seconds: None });
        }
        for (name, cells) in &cells {
            stages.push(estimate.table(name, cells)?);
        }
        if let Some(figure) = figure {
            stages.push(estimate.figure(figure)?);
        }
        if let Some(rivals) = rivals {
            stages.push(estimate.rivals(rivals)?);
        }
        if let Some(ladder) = ladder {
            stages.push(estimate.ladder(ladder)?);
        }
        if let Some(verdicts) = verdicts {
            stages.push(estimate.verdicts(verdicts)?);
        }
        for drawing in drawings {
            stages.push(estimate.drawing(drawing)?);
        }
        stages.retain(|stage| stage.jobs > 0);
        Ok(Stages(stages))
    }
}

/// What is asked for besides tables and drawings.
struct Compared<'a> {
    figure: Option<&'a Figure1>,
    rivals: Option<&'a Rivals>,
    ladder: Option<&'a LadderPlan>,
    verdicts: Option<&'a VerdictPlan>,
}

struct Estimate<'a> {
    run: &'a Run<'a>,
    /// A network that has seen a few batches, by architecture; none where that failed.
    networks: BTreeMap<String, Option<Rc<Network>>>,
    /// Seconds of a pass, by architecture.
    rates: BTreeMap<String, Option<f64>>,
    /// Jobs that are counted already.
    seen: JobWords,
}

impl Estimate<'_> {
    /// A stage for each recipe that the cells and the other parts need, what it is trained from and against first.
    fn trainings(
        &mut self,
        tables: &[(&str, Vec<CellPlan>)],
        compared: &Compared<'_>,
        drawings: &[Drawing<'_>],
    ) -> Result<Vec<Stage>> {
        let plan = self.run.bench.plan;
        let Compared { figure, rivals, ladder, verdicts } = *compared;
        let cells = tables.iter().flat_map(|(_, cells)| cells);
        let of_cells = cells.filter_map(|cell| cell.work.as_ref().ok()).map(|work| &work.network);
        let mut needed = Vec::new();
        for network in of_cells {
            self.needed(network, &mut needed);
        }
        for (_, network, _) in figure.map(|figure| curves(plan, figure)).into_iter().flatten() {
            self.needed(&network, &mut needed);
        }
        for network in rivals.map(|rivals| networks(plan, rivals)).into_iter().flatten() {
            self.needed(&network, &mut needed);
        }
        for network in ladder.map(|ladder| ladder::networks(plan, ladder)).into_iter().flatten() {
            self.needed(&network, &mut needed);
        }
        for network in verdicts.map(|all| verdicts::networks(plan, all)).into_iter().flatten() {
            self.needed(&network, &mut needed);
        }
        for (names, seeds) in drawings.iter().map(|drawing| drawing.networks()) {
            for network in chosen(plan, names, seeds) {
                self.needed(&network, &mut needed);
            }
        }
        let mut stages: Vec<Stage> = Vec::new();
        for id in needed {
            let passes = self.run.training_passes(&id, &mut self.seen)?;
            let (true, Some(job)) = (passes > 0, self.run.trainings.get(&id)) else { continue };
            let name = format!("train {}", id.name);
            if let Some(stage) = stages.iter_mut().find(|stage| stage.name == name) {
                // Another seed of the same recipe.
                let share = stage.seconds.map(|seconds| seconds / stage.jobs as f64);
                stage.seconds = share.map(|share| share * (stage.jobs + 1) as f64);
                stage.jobs += 1;
                stage.passes = stage.passes.saturating_add(passes);
                continue;
            }
            let sources = self.run.sources(&id);
            let sources = sources.iter().filter_map(|source| self.run.trainings.get(source));
            let sources: Vec<_> = sources.map(|source| source.architecture.clone()).collect();
            let step = self.example(&job.architecture).and_then(|start| {
                estimated(seconds_per_step(self.run.bench, job, start.weights(), &sources))
            });
            let seconds = step.map(|step| step * f64::from(job.training.iterations));
            stages.push(Stage { name, jobs: 1, passes, seconds });
        }
        Ok(stages)
    }

    /// Adds a network that is not trained yet, after those that it needs.
    fn needed(&self, id: &NetworkId, needed: &mut Vec<NetworkId>) {
        let known = self.run.keys.get(id).is_none_or(|key| self.run.bench.store.contains(key));
        if known || needed.contains(id) {
            return;
        }
        for input in self.run.parent(id).into_iter().chain(self.run.sources(id)) {
            self.needed(&input, needed);
        }
        needed.push(id.clone());
    }

    fn table(&mut self, name: &str, cells: &[CellPlan]) -> Result<Stage> {
        let mut stage = Stage { name: name.to_owned(), jobs: 0, passes: 0, seconds: Some(0.0) };
        for cell in cells {
            let Ok(work) = &cell.work else { continue };
            let own = std::slice::from_ref(cell);
            let passes = self.run.passes_beyond(own, None, None, &mut self.seen)?;
            self.add(&mut stage, &work.network, passes);
        }
        Ok(stage)
    }

    fn figure(&mut self, figure: &Figure1) -> Result<Stage> {
        let name = "figure1".to_owned();
        let mut stage = Stage { name, jobs: 0, passes: 0, seconds: Some(0.0) };
        let plan = self.run.bench.plan;
        for (curve, (_, network, _)) in figure.curves.iter().zip(curves(plan, figure)) {
            let one = Figure1 { curves: vec![curve.clone()], ..figure.clone() };
            let passes = self.run.passes_beyond(&[], Some(&one), None, &mut self.seen)?;
            self.add(&mut stage, &network, passes);
        }
        Ok(stage)
    }

    fn rivals(&mut self, rivals: &Rivals) -> Result<Stage> {
        let name = "rivals".to_owned();
        let mut stage = Stage { name, jobs: 0, passes: 0, seconds: Some(0.0) };
        for network in &rivals.networks {
            let one = Rivals { networks: vec![network.clone()], ..rivals.clone() };
            let passes = self.run.passes_beyond(&[], None, Some(&one), &mut self.seen)?;
            let id = NetworkId { name: network.clone(), number: 0 };
            self.add(&mut stage, &id, passes);
        }
        Ok(stage)
    }

    fn ladder(&mut self, ladder: &LadderPlan) -> Result<Stage> {
        let name = "ladder".to_owned();
        let mut stage = Stage { name, jobs: 0, passes: 0, seconds: Some(0.0) };
        for network in ladder::networks(self.run.bench.plan, ladder) {
            let own = std::slice::from_ref(&network);
            let passes = self.run.ladder_passes(ladder, own, &mut self.seen)?;
            self.add(&mut stage, &network, passes);
        }
        Ok(stage)
    }

    fn verdicts(&mut self, verdicts: &VerdictPlan) -> Result<Stage> {
        let name = "verdicts".to_owned();
        let mut stage = Stage { name, jobs: 0, passes: 0, seconds: Some(0.0) };
        for network in verdicts::networks(self.run.bench.plan, verdicts) {
            let passes = self.run.verdict_passes(verdicts, Some(&network), &mut self.seen)?;
            self.add(&mut stage, &network, passes);
        }
        Ok(stage)
    }

    fn drawing(&mut self, drawing: Drawing<'_>) -> Result<Stage> {
        let name = drawing.name().to_owned();
        let mut stage = Stage { name, jobs: 0, passes: 0, seconds: Some(0.0) };
        let passes = self.run.drawing_passes(&[drawing], &mut self.seen)?;
        let (names, seeds) = drawing.networks();
        // The networks of a drawing are all of one size.
        if let Some(network) = chosen(self.run.bench.plan, names, seeds).first() {
            self.add(&mut stage, network, passes);
        }
        Ok(stage)
    }

    /// A network of this architecture that has seen a few batches.
    fn example(&mut self, architecture: &Architecture) -> Option<Rc<Network>> {
        let bench = self.run.bench;
        let make = || estimated(hardly_trained(bench, architecture)).map(Rc::new);
        self.networks.entry(architecture.name.clone()).or_insert_with(make).clone()
    }

    /// Adds passes on one network.
    fn add(&mut self, stage: &mut Stage, network: &NetworkId, passes: u64) {
        let Some(job) = self.run.trainings.get(network).filter(|_| passes > 0) else { return };
        let rate = match self.rates.get(&job.architecture.name) {
            Some(rate) => *rate,
            None => {
                let network = self.example(&job.architecture);
                let rate = network
                    .and_then(|network| estimated(seconds_per_pass(self.run.bench, &network)));
                self.rates.insert(job.architecture.name.clone(), rate);
                rate
            }
        };
        stage.jobs += 1;
        stage.passes = stage.passes.saturating_add(passes);
        let more = rate.map(|rate| rate * passes as f64);
        stage.seconds = stage.seconds.zip(more).map(|(seconds, more)| seconds + more);
    }
}

/// What was found, or none where a step failed: that is for the run to say, with its reason and beside everything that works.
fn estimated<T>(found: Result<T>) -> Option<T> {
    found.inspect_err(|error| tracing::warn!(%error, "a stage without an estimate")).ok()
}
