//! What the machine brings: device, kernels, threads, data, folders, the log.

use std::env::VarError;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use candle_core::Device;
use tracing_subscriber::EnvFilter;

use saddle_data::{Dataset, DatasetName, FetchEvent, FetchObserver, Source, Split};
use saddle_experiments::{Data, Machine, Plan};
use saddle_model::{Executor, NameMap};
use saddle_ops::Kernels;

use crate::arguments::{Computing, PlanChoice};
use crate::place::Where;

/// The log on standard error, as `SADDLE_LOG` says; warnings when it says nothing.
///
/// # Errors
///
/// A `SADDLE_LOG` that is no such filter.
pub(crate) fn start_log() -> Result<()> {
    let filter = match std::env::var("SADDLE_LOG") {
        Ok(text) => EnvFilter::try_new(&text).with_context(|| {
            format!("SADDLE_LOG is `{text}`; it takes levels, such as `info` or `saddle=debug`")
        })?,
        Err(VarError::NotPresent) => EnvFilter::new("warn"),
        Err(error) => return Err(error).context("SADDLE_LOG"),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only if a log was started before, and then there is one.
    let _ = log.without_time().with_target(false).try_init();
    Ok(())
}

/// The machine that was asked for, or why there is none. Nothing falls back silently.
pub(crate) fn machine(computing: &Computing) -> Result<Machine> {
    if let Some(threads) = computing.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.get())
            .build_global()
            .context("cannot start that many threads")?;
    }
    match computing.device {
        Where::Cpu => {
            let kernels = match std::env::var("SADDLE_KERNELS") {
                Ok(name) => Kernels::named(&name).context("SADDLE_KERNELS")?,
                Err(VarError::NotPresent) => Kernels::detect(),
                Err(error) => return Err(error).context("SADDLE_KERNELS"),
            };
            Ok(Machine { executor: Executor::Engine(kernels), device: Device::Cpu })
        }
        Where::Cuda(number) => match Device::new_cuda(number) {
            Ok(device) => Ok(Machine { executor: Executor::Candle, device }),
            Err(error) if cfg!(feature = "cuda") => Err(anyhow!(
                "cuda:{number} does not answer: {error}; use --device cpu, or make the device visible"
            )),
            Err(_) => Err(anyhow!(
                "cuda:{number} was asked for, but this program was built without the `cuda` feature; \
                 build it with `--features cuda`, or use --device cpu"
            )),
        },
    }
}

/// The plan that was asked for.
pub(crate) fn plan(choice: &PlanChoice) -> Result<Plan> {
    let Some(path) = &choice.plan else { return Ok(Plan::profile(&choice.profile)?) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the plan {}", path.display()))?;
    Plan::parse(&text).with_context(|| format!("{}", path.display()))
}

/// The name map in a file, if one was given.
pub(crate) fn names(path: Option<&PathBuf>) -> Result<Option<NameMap>> {
    let Some(path) = path else { return Ok(None) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the name map {}", path.display()))?;
    let map = saddle_experiments::name_map(&text);
    Ok(Some(map.with_context(|| path.display().to_string())?))
}

/// [`machine`] for a plan. Where our kernels do not run a network of it, candle's operations do, and that is said.
pub(crate) fn machine_for(plan: &Plan, computing: &Computing) -> Result<Machine> {
    let machine = machine(computing)?;
    let Err(reason) = plan.check_executor(machine.executor) else { return Ok(machine) };
    if !computing.quiet {
        eprintln!("running candle's operations instead of our kernels: {reason}");
    }
    Ok(Machine { executor: Executor::Candle, ..machine })
}

/// Both splits of a data set, from the user's folder or from the cache.
pub(crate) fn data(computing: &Computing, dataset: DatasetName) -> Result<Data> {
    let train = digits(computing, dataset, Split::Train)?;
    Ok(Data { train, test: digits(computing, dataset, Split::Test)? })
}

/// One split of a data set.
pub(crate) fn digits(computing: &Computing, dataset: DatasetName, split: Split) -> Result<Dataset> {
    let source = match &computing.data {
        Some(folder) => Source::Folder(folder.clone()),
        None => Source::Cache(cache()?.join(dataset.name())),
    };
    Ok(dataset.load(&source, split, &mut Telling { quiet: computing.quiet })?)
}

/// The user's cache folder for this program.
pub(crate) fn cache() -> Result<PathBuf> {
    directories::ProjectDirs::from("", "", "saddle")
        .map(|folders| folders.cache_dir().to_owned())
        .ok_or_else(|| anyhow!("no home folder, hence no cache; pass --data DIR and --store DIR"))
}

/// Refuses, before any work, a file that cannot be written; leaves what exists alone.
pub(crate) fn check_file_writable(path: &Path) -> Result<()> {
    if path.is_dir() {
        bail!("{} is a folder; name a file", path.display());
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    Ok(saddle_experiments::check_writable(folder)?)
}

/// Says on standard error where data comes from; bytes on the way are not worth a line each.
struct Telling {
    quiet: bool,
}

impl FetchObserver for Telling {
    fn event(&mut self, event: FetchEvent<'_>) {
        if self.quiet {
            return;
        }
        match event {
            FetchEvent::Asking { file, source } => eprintln!("fetching {file} from {source}"),
            FetchEvent::Failed { source, reason } => eprintln!("  {source}: {reason}"),
            FetchEvent::Damaged { file, reason } => {
                eprintln!("{file} in the cache is damaged ({reason}); fetching it again");
            }
            FetchEvent::Stored { file, .. } => eprintln!("  {file} is in the cache now"),
            FetchEvent::Verified { .. } | FetchEvent::Bytes { .. } => {}
        }
    }
}
