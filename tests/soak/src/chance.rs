//! Reproducible chance, and Zipf's law.

/// A stream of random numbers that depends on its seed alone (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for each part of a run.
    pub(crate) fn of(seed: u64, part: u64) -> Self {
        let mut mixed = Self(seed ^ part.wrapping_mul(0xA076_1D64_78BD_642F));
        Self(mixed.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// A number between the two, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below((high - low + 1) as usize) as u64
    }

    /// Whether something of that many percent happens.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// All of them in another order.
    pub(crate) fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            all.swap(at, self.below(at + 1));
        }
    }
}

/// Numbers below a bound, the more popular ones more often: the rank-th is asked for in
/// proportion to `1 / rank^exponent`.
#[derive(Debug)]
pub(crate) struct Zipf {
    /// The share of the ranks up to each.
    up_to: Vec<f64>,
    /// Which number has which rank.
    ranked: Vec<u32>,
}

impl Zipf {
    /// Which numbers are popular depends on `seed` alone.
    pub(crate) fn new(count: usize, exponent: f64, seed: u64) -> Self {
        let mut ranked: Vec<u32> = (0..count as u32).collect();
        Chance::new(seed).shuffle(&mut ranked);
        let mut sum = 0.0;
        let mut up_to: Vec<f64> = (1..=count)
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        up_to.iter_mut().for_each(|share| *share /= sum);
        Self { up_to, ranked }
    }

    pub(crate) fn pick(&self, chance: &mut Chance) -> u32 {
        let share = chance.share();
        let rank = self.up_to.partition_point(|up_to| *up_to <= share);
        self.ranked[rank.min(self.ranked.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn popular_numbers_come_more_often() {
        let zipf = Zipf::new(100, 1.0, 7);
        let mut chance = Chance::new(1);
        let mut seen = vec![0u32; 100];
        for _ in 0..100_000 {
            seen[zipf.pick(&mut chance) as usize] += 1;
        }
        // The first of a hundred ranks has 1 of 5.187.
        let first = seen[zipf.ranked[0] as usize];
        assert!((18_500..20_100).contains(&first), "{first}");
        assert!(seen.iter().all(|n| *n > 50), "{seen:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let numbers = |seed| {
            let mut chance = Chance::of(seed, 3);
            [chance.next(), chance.below(10) as u64, chance.between(5, 6)]
        };
        assert_eq!(numbers(1), numbers(1));
        assert_ne!(numbers(1), numbers(2));
    }
}
