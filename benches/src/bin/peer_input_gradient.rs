//! Our side of the side-by-side run: answers each line on standard input with the cost of one input gradient.
//!
//! `cargo xtask bench peers` starts it beside `benches/peers/torch_input_gradient.py` and asks both in turn. It first
//! writes weights, images, labels and its own gradients to `--export`, and says in one line of JSON what it is; then
//! each line asked is answered with `CPU_MS WALL_MS` of one call, after one untimed call. Processor time counts every
//! thread of the process.

#![expect(clippy::print_stdout, reason = "its protocol is lines on standard output")]

use std::{io::BufRead as _, path::PathBuf, time::Instant};

use candle_core::Tensor;
use clap::Parser;
use cpu_time::ProcessTime;
use saddle_model::{Aim, Classifier as _, Loss, LossKind, Mode, Network, Wanted};
use saddle_ops::Kernels;

#[derive(Parser)]
struct Flags {
    /// Images per gradient.
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// Name of the kernels [default: the best that this machine has].
    #[arg(long)]
    kernels: Option<String>,
    /// Safetensors file that gets weights, images, labels and gradients for the other side.
    #[arg(long)]
    export: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let kernels = flags.kernels.as_deref().map_or_else(|| Ok(Kernels::detect()), Kernels::named)?;
    let network = saddle_benches::madry(kernels)?;
    let (images, labels) = saddle_benches::digits(flags.batch)?;
    let loss = Loss::new(LossKind::CrossEntropy, labels.clone(), &Aim::Untargeted)?;
    let rows: Vec<usize> = (0..flags.batch).collect();
    let call = || input_gradient(&network, &images, &loss, &rows);

    if let Some(path) = &flags.export {
        let mut tensors: Vec<(String, Tensor)> = network
            .weights()
            .iter()
            .map(|(name, tensor)| (name.to_owned(), tensor.clone()))
            .collect();
        tensors.push(("images".to_owned(), images.clone()));
        tensors
            .push(("labels".to_owned(), Tensor::from_vec(labels, flags.batch, images.device())?));
        tensors.push(("input_gradient".to_owned(), call()?));
        safetensors::serialize_to_file(tensors, None, path)?;
    }
    let threads = rayon::current_num_threads();
    println!("{}", serde_json::json!({ "executor": network.executor_name(), "threads": threads }));
    for line in std::io::stdin().lock().lines() {
        line?;
        call()?;
        let (cpu, wall) = (ProcessTime::now(), Instant::now());
        call()?;
        let (cpu, wall) = (cpu.elapsed().as_secs_f64(), wall.elapsed().as_secs_f64());
        println!("{:.4} {:.4}", cpu * 1e3, wall * 1e3);
    }
    Ok(())
}

/// Gradient of the summed cross-entropy with respect to the images, shape `(n, 1, 28, 28)`.
fn input_gradient(
    network: &Network,
    images: &Tensor,
    loss: &Loss,
    rows: &[usize],
) -> anyhow::Result<Tensor> {
    let (logits, pullback) = network.forward(images, Mode::Evaluation)?;
    let evaluated = loss.evaluate(&logits, rows)?;
    let gradients = pullback(&evaluated.cotangent, Wanted::INPUT)?;
    gradients
        .input
        .ok_or_else(|| anyhow::anyhow!("the input gradient was asked for and did not come"))
}
