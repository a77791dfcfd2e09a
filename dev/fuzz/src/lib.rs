//! Fuzzing as a test: a target is a `#[test]` in a module named `fuzz` that states what holds for any input.
//!
//! `cargo test` tries each target a bounded number of times; `cargo xtask fuzz [TARGET] [--seconds N]` as long as you
//! like. What fails is made small and told with the seed that shows it again.

mod input;

use std::fmt::Debug;
use std::time::{Duration, Instant};

pub use input::{bytes, texts};
pub use proptest;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// Inputs tried by a plain `cargo test`, and by one seed of a long run.
const INPUTS: u32 = 2_000;

/// Tries `property`, which panics where it does not hold, on generated inputs.
///
/// # Panics
/// With the smallest input found for which the property does not hold.
pub fn check<S: Strategy<Value: Debug>>(inputs: S, property: impl Fn(S::Value)) {
    check_some(INPUTS, inputs, property);
}

/// As [`check`], for properties that take their time: so many inputs at once.
///
/// # Panics
/// As [`check`].
pub fn check_some<S: Strategy<Value: Debug>>(times: u32, inputs: S, property: impl Fn(S::Value)) {
    let given = variable("RAINCHECK_FUZZ_SEED");
    let mut seed = given.unwrap_or_else(|| std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), "seed"));
    let until = Instant::now() + Duration::from_secs(variable("RAINCHECK_FUZZ_SECONDS").unwrap_or(0));
    let mut tried = 0u64;
    loop {
        let config = Config { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::with_cases(times) };
        let found = TestRunner::new(config).run(&inputs, |input| {
            property(input);
            Ok(())
        });
        if let Err(failure) = found {
            panic!("{failure}\nagain with RAINCHECK_FUZZ_SEED={seed}");
        }
        tried += u64::from(times);
        if Instant::now() >= until {
            break;
        }
        seed = seed.wrapping_add(1);
    }
    println!("{tried} inputs, the last {times} by seed {seed}");
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_found_and_made_small() {
        let fault = std::panic::catch_unwind(|| {
            check(bytes(&[b"{\"kind\":\"k\",\"tags\":{}}"]), |input| {
                assert!(!input.windows(2).any(|pair| pair == b"\"\""), "two quotes");
            });
        })
        .expect_err("nothing found");
        let said = fault.downcast_ref::<String>().expect("says what");
        assert!(said.contains("two quotes") && said.contains("RAINCHECK_FUZZ_SEED="), "{said}");
    }
}
