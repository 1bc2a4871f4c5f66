//! Chance that can be repeated.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// A number from `low` to `high`.
    pub(crate) fn between(&mut self, low: i32, high: i32) -> i32 {
        low + i32::try_from(self.below(usize::try_from(high - low + 1).unwrap())).unwrap()
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }
}

/// The seed that was asked for, or a new one.
pub(crate) fn seed() -> u64 {
    match std::env::var("CACHE_TEST_SEED") {
        Ok(seed) => seed.parse().expect("CACHE_TEST_SEED is a number"),
        Err(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .subsec_nanos()
            .into(),
    }
}

/// How many steps to take.
pub(crate) fn steps(usual: usize) -> usize {
    match std::env::var("CACHE_TEST_STEPS") {
        Ok(steps) => steps.parse().expect("CACHE_TEST_STEPS is a number"),
        Err(_) => usual,
    }
}

/// How many rounds to take: one if a seed was asked for, fewer than usual if
/// `CACHE_TEST_ROUNDS` says so.
pub(crate) fn rounds(usual: u64) -> u64 {
    if std::env::var_os("CACHE_TEST_SEED").is_some() {
        return 1;
    }
    match std::env::var("CACHE_TEST_ROUNDS") {
        Ok(most) => usual.min(most.parse().expect("CACHE_TEST_ROUNDS is a number")),
        Err(_) => usual,
    }
}
