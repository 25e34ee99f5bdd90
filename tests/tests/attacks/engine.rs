//! Attacks on a trained network, end to end on the engine: batch and threads change no bit of an image.

use rayon::ThreadPoolBuilder;
use saddle_attacks::{
    Driver, Examples, Judge, Objective, Outcome, ProjectedAscent, Start, ThreatModel,
};
use saddle_model::{Executor, Network, load_network};
use saddle_ops::{Draws, Kernels, Norm};
use saddle_tests::attacks::bits;
use saddle_tests::data::digits;

const COUNT: usize = 100;
const WEIGHTS: &[u8] = include_bytes!("../../../zoo/madry_linf.safetensors");

fn run(network: &Network, attack: &ProjectedAscent, driver: &Driver, norm: Norm) -> Outcome {
    let found = digits(COUNT);
    let examples = Examples::new(found.images, found.labels, found.ids).expect("real digits");
    let epsilon = if norm == Norm::Linf { 0.3 } else { 3.0 };
    let objective =
        Objective::untargeted(ThreatModel::new(norm, epsilon).expect("a usable radius"));
    driver.run(network, attack, &examples, &objective, Draws::new(5)).expect("a sound attack")
}

#[test]
fn no_batch_and_no_number_of_threads_changes_a_bit_of_an_adversarial_image() {
    let pools =
        [1, 2].map(|count| ThreadPoolBuilder::new().num_threads(count).build().expect("threads"));
    let so = ProjectedAscent::second_order(Norm::L2, 0.75, 4, 0.2, 2);
    let pgd = ProjectedAscent { start: Start::Uniform, ..ProjectedAscent::pgd(Norm::Linf, 0.1, 4) };
    for kernels in Kernels::available() {
        let executor = Executor::Engine(kernels);
        let (network, _) = load_network(WEIGHTS, None, executor).expect("a network of the zoo");
        for (attack, norm) in [(so, Norm::L2), (pgd, Norm::Linf)] {
            let driver =
                Driver { judge: Judge::Any, stop_fooled: true, batch: COUNT, ..Driver::default() };
            let whole = pools[0].install(|| run(&network, &attack, &driver, norm));
            // An attack that finds nothing, or leaves nobody, would show nothing.
            let robust = whole.robust(Judge::Any);
            assert!((1..COUNT).contains(&robust), "{robust} robust digits");
            for (batch, pool) in
                [1, 2, 7, 64, 65, COUNT].into_iter().zip(pools.iter().cycle().skip(1))
            {
                let cut = pool
                    .install(|| run(&network, &attack, &Driver { batch, ..driver.clone() }, norm));
                assert!(bits(&cut.images) == bits(&whole.images), "batches of {batch}, {kernels}");
                assert!(bits(&cut.final_images) == bits(&whole.final_images));
                assert_eq!(cut.verdicts, whole.verdicts);
            }
        }
    }
}
