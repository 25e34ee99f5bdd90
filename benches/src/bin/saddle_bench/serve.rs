//! The protocol: one line of JSON that says what this is, then `CPU_MS WALL_MS` for each line that is asked.
//!
//! Processor time counts every thread of the process.

use std::io::BufRead as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use cpu_time::ProcessTime;
use saddle_benches::{Built, Digits, built, path_name};
use saddle_data::Split;
use saddle_ops::Kernels;
use serde_json::{Value, json};

use crate::work::{Unit, Work};
use crate::{peak, share};

/// Flags of `saddle_bench serve`.
#[derive(Args)]
pub(crate) struct Serve {
    /// The unit of work.
    #[arg(long, value_enum)]
    work: Work,
    /// Name of the network.
    #[arg(long, default_value = "madry")]
    network: String,
    /// Name of the kernels.
    #[arg(long)]
    kernels: String,
    /// Images at once.
    #[arg(long)]
    batch: usize,
    /// Digits of an attack or an epoch; other work takes one batch.
    #[arg(long)]
    digits: usize,
    /// Calls in one timing, whose mean is told.
    #[arg(long, default_value_t = 1)]
    repeats: u32,
    /// Make an untimed call before each timing.
    #[arg(long)]
    warm: bool,
    /// Time the processor's peak on as many operations as the work has, instead of the work.
    #[arg(long)]
    peak: bool,
    /// Folder for the weights of networks that have to be trained first.
    #[arg(long)]
    cache: PathBuf,
    /// Folder with MNIST's IDX files [default: the user's cache].
    #[arg(long)]
    data: Option<PathBuf>,
    /// File that gets network, images and our gradients for the other side.
    #[arg(long)]
    shared: Option<PathBuf>,
}

impl Serve {
    pub(crate) fn run(self) -> Result<()> {
        let (hello, mut unit) = match self.prepare()? {
            Prepared::Ready(hello, unit) => (hello, unit),
            Prepared::Absent(why) => {
                println!("{}", json!({ "absent": why }));
                return Ok(());
            }
        };
        println!("{hello}");
        for line in std::io::stdin().lock().lines() {
            line?;
            if self.warm {
                unit()?;
            }
            let (cpu, wall) = (ProcessTime::now(), Instant::now());
            for _ in 0..self.repeats {
                unit()?;
            }
            let (cpu, wall) = (cpu.elapsed().as_secs_f64(), wall.elapsed().as_secs_f64());
            let each = |seconds: f64| seconds * 1e3 / f64::from(self.repeats);
            println!("{:.4} {:.4}", each(cpu), each(wall));
        }
        Ok(())
    }

    fn prepare(&self) -> Result<Prepared> {
        let kernels = match Kernels::named(&self.kernels) {
            Ok(kernels) => kernels,
            Err(lacking) => return Ok(Prepared::Absent(format!("not measured: {lacking}"))),
        };
        let executor = self.work.executor(kernels);
        let network = match built(&self.network, executor, self.data.clone(), &self.cache)? {
            Built::Network(network) => *network,
            Built::Unknown(why) => return Ok(Prepared::Absent(format!("not built yet: {why}"))),
        };
        let (split, count) = match self.work {
            Work::TrainPgd40Epoch => (Split::Train, self.digits),
            Work::Pgd40Linf => (Split::Test, self.digits),
            _ => (Split::Test, self.batch),
        };
        let mut hello =
            json!({ "kernels": path_name(executor), "threads": rayon::current_num_threads() });
        if self.peak {
            let flop = self.work.flop(network.architecture())? * count as u64;
            let unit = Box::new(move || {
                peak::spend(kernels, flop);
                Ok(())
            });
            return Ok(Prepared::Ready(hello, unit));
        }
        let digits = Digits::load(self.data.clone(), split, count)?;
        if let Some(path) = &self.shared {
            share::side(path, &network, &digits, self.batch, self.work.trains())?;
        }
        let Unit { mut call, robust } = self.work.unit(network, &digits, self.batch)?;
        if let Some(robust) = robust {
            call()?;
            hello["robust"] = robust.get().into();
        }
        Ok(Prepared::Ready(hello, call))
    }
}

enum Prepared {
    Ready(Value, Box<dyn FnMut() -> Result<()>>),
    Absent(String),
}
