//! Kernel paths are values with names.

use saddle_ops::{Error, Kernels};

#[test]
fn every_available_path_is_found_by_its_name() {
    for kernels in Kernels::available() {
        assert_eq!(Kernels::named(kernels.name()).expect("available"), kernels);
        assert_eq!(kernels.to_string(), kernels.name());
    }
}

#[test]
fn the_fastest_path_is_detected_and_the_portable_one_is_always_there() {
    let available = Kernels::available();
    assert_eq!(Kernels::detect(), available[0]);
    assert_eq!(available.last(), Some(&Kernels::PORTABLE));
}

#[test]
fn a_path_that_nobody_wrote_is_unknown() {
    let refused = Kernels::named("sse9").expect_err("no such path");
    assert!(matches!(refused, Error::UnknownKernels { .. }));
    assert!(refused.to_string().contains("portable"), "{refused}");
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn a_path_of_another_machine_is_unsupported() {
    for name in ["simd128", "relaxed-simd"] {
        let refused = Kernels::named(name).expect_err("not here");
        assert!(matches!(refused, Error::UnsupportedKernels { .. }));
    }
}
