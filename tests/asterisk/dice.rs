//! Numbers by chance that are the same again with the same seed, so that what
//! fails once can be made to fail again: `WEBSMS_TEST_SEED`.

/// Sebastiano Vigna's `SplitMix64`.
pub(crate) struct Dice(u64);

impl Dice {
    /// With a seed that it prints.
    pub(crate) fn new() -> Self {
        let told = std::env::var("WEBSMS_TEST_SEED").ok();
        let seed = told.map_or_else(
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

    /// One of these.
    pub(crate) fn one_of<'a, T>(&mut self, these: &'a [T]) -> &'a T {
        &these[self.below(these.len())]
    }
}
