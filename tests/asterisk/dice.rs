//! Random numbers from a seed, so that a failure can be repeated:
//! `WEBSMS_TEST_SEED`.

/// Sebastiano Vigna's `SplitMix64`.
pub(crate) struct Dice(u64);

impl Dice {
    /// With the seed of `WEBSMS_TEST_SEED` or a random one; prints it.
    pub(crate) fn new() -> Self {
        let given = std::env::var("WEBSMS_TEST_SEED").ok();
        let seed = given.map_or_else(
            || u64::from(getrandom::u32().unwrap()),
            |seed| seed.parse().expect("a number"),
        );
        println!("WEBSMS_TEST_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap();
        usize::try_from(self.next() % end).unwrap()
    }

    pub(crate) fn one_of<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }
}
