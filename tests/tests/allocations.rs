//! How much memory an attack step asks for once it runs.
//!
//! Counts the bytes of every allocation, whoever frees it when. A test binary of its own with a single test: the count
//! is the whole process's.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use candle_core::DType;
use saddle_attacks::{Attack as _, Examples, Objective, ProjectedAscent, ThreatModel, answer};
use saddle_model::{Architecture, Executor, Network};
use saddle_ops::{Draws, Kernels, Linear, LinearScratch, LpBall, Norm, PixelBox, Radius, StepRule};
use saddle_tests::kernels::sparse_eighths;
use saddle_tests::model::{hashed_tensor, hashed_weights};

struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is the system allocator's; the counter beside it touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and all memory comes from `System`.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.fetch_add(size, Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`, and all memory comes from `System`.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bytes that `work` asks for.
fn bytes(work: impl FnOnce()) -> usize {
    let before = ALLOCATED.load(Relaxed);
    work();
    ALLOCATED.load(Relaxed) - before
}

const BATCH: usize = 100;
/// One tensor of 100 digits in `f32`: what the seam hands over as a gradient, and as an iterate.
const IMAGES: usize = BATCH * 784 * size_of::<f32>();
/// What may come on top, for an attack step as a whole.
const ALLOWED: usize = 64 * 1024;

#[test]
fn an_attack_step_asks_for_its_results_and_little_more() {
    linear_layers();
    attack_step();
    whole_step();
}

/// Nothing in proportion to the batch, once the scratch is warm.
fn linear_layers() {
    let (inputs, outputs) = (300, 200);
    let weight = sparse_eighths::<f32>(inputs * outputs, 1, 100);
    let linear = Linear::new(Kernels::detect(), inputs, &weight, &[0.5; 200]).expect("fits");
    let scratch = &mut LinearScratch::default();
    let batch = sparse_eighths::<f32>(BATCH * inputs, 2, 40);
    let (mut out, mut gradient) = (vec![0.0; BATCH * outputs], vec![0.0; BATCH * inputs]);
    let mut pass = || {
        bytes(|| {
            linear.forward(&batch, true, &mut out, scratch).expect("fits");
            linear.input_gradient(&out, &mut gradient, scratch).expect("fits");
        })
    };
    pass();
    let steady = pass();
    assert!(steady <= 4 * 1024, "linear layers ask for {steady} bytes");
}

/// The new iterate, and a word on each row.
fn attack_step() {
    let natural = hashed_tensor(&[BATCH, 1, 28, 28], 3, 0.0, 1.0, DType::F32);
    let gradient = hashed_tensor(&[BATCH, 1, 28, 28], 4, -1.0, 1.0, DType::F32);
    let ball = LpBall::new(Norm::Linf, Radius::new(0.3).expect("positive"));
    let step = || {
        bytes(|| {
            let rule = (StepRule::Sign, 0.01);
            ball.ascend(&natural, &natural, &gradient, rule, PixelBox::UNIT).expect("fits");
        })
    };
    step();
    let steady = step();
    assert!(
        steady <= IMAGES + 16 * 1024,
        "a step asks for {steady} bytes, {IMAGES} of them its result"
    );
}

/// PGD on the Madry network: the gradient, the new iterate, and at most [`ALLOWED`].
fn whole_step() {
    let architecture = Architecture::madry();
    let weights = hashed_weights(&architecture, 1, DType::F32);
    let network = Network::new(architecture, weights, Executor::Engine(Kernels::detect()))
        .expect("a network");
    let images = hashed_tensor(&[BATCH, 1, 28, 28], 5, 0.0, 1.0, DType::F32);
    let labels: Vec<u32> = (0..BATCH as u32).map(|row| row % 10).collect();
    let examples = Examples::new(images, labels, (0..BATCH as u64).collect()).expect("examples");
    let threat_model = ThreatModel::new(Norm::Linf, 0.3).expect("a radius");
    let attack = ProjectedAscent::pgd(Norm::Linf, 0.01, 12);
    let objective = Objective::untargeted(threat_model);
    let mut run = attack.begin(&examples, &objective, Draws::new(1), 0).expect("an attack");
    let mut step = || {
        bytes(|| {
            let query = run.ask().expect("a question");
            let answer = answer(&network, &query).expect("an answer").expect("more to come");
            run.tell(answer).expect("fits");
        })
    };
    step();
    // A thread that met no image before may still set up its scratch; nobody does so in every step.
    let steady = (0..10).map(|_| step()).min().unwrap_or_default();
    let beyond = steady.saturating_sub(2 * IMAGES);
    assert!(beyond <= ALLOWED, "a step asks for {beyond} bytes beside gradient and iterate");
}
