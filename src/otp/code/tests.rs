//! Randomness, hashes, and timing.

use super::*;
use std::cell::Cell;
use std::hint::black_box;
use std::time::Instant;

fn phone(digits: &str) -> Phone {
    Phone::parse(digits).unwrap()
}

#[test]
fn code_has_so_many_digits() {
    for digits in [1, 4, 6, 15, 18] {
        for _ in 0..100 {
            let code = Code::random(digits).unwrap();
            assert_eq!(code.expose().len(), usize::try_from(digits).unwrap());
            assert!(code.expose().bytes().all(|byte| byte.is_ascii_digit()));
            assert!(!code.expose().starts_with('0'));
        }
    }
}

#[test]
fn number_that_would_bias_the_result_is_rejected() {
    // 2^64 = 900,000 * 20,496,382,304,121 + 651,616.
    let drawn = Cell::new(0);
    let random = || {
        drawn.set(drawn.get() + 1);
        Ok::<_, ()>(if drawn.get() == 1 { u64::MAX } else { 7 })
    };
    assert_eq!(below(900_000, random), Ok(7));
    assert_eq!(drawn.get(), 2);
    let last = u64::MAX - u64::MAX % 900_000 - 1;
    assert_eq!(below(900_000, || Ok::<_, ()>(last)), Ok(899_999));
}

#[test]
fn hash_matches_only_with_its_code_phone_key_and_salt() {
    let hasher = CodeHasher::new(Secret::new("key".to_owned()));
    let (john, jane) = (phone("15551234567"), phone("15551234568"));
    let code = Code("123456".to_owned());
    let stored = hasher.hash(&john, &code).unwrap();
    assert!(hasher.matches(&stored, &john, "123456"));
    for (phone, given) in [
        (&john, "123457"),
        (&john, ""),
        (&john, "123456\n"),
        (&john, "0123456"),
        (&jane, "123456"),
    ] {
        assert!(!hasher.matches(&stored, phone, given), "{phone} {given:?}");
    }
    let other = CodeHasher::new(Secret::new("other".to_owned()));
    assert!(!other.matches(&stored, &john, "123456"));
    let again = hasher.hash(&john, &code).unwrap();
    assert_ne!(stored, again, "the salt is another one");
    let torn = HashedCode {
        hash: String::new(),
        ..stored
    };
    assert!(!hasher.matches(&torn, &john, "123456"));
}

#[test]
fn file_name_depends_on_phone_and_key() {
    let hasher = CodeHasher::new(Secret::new("key".to_owned()));
    let (john, jane) = (phone("15551234567"), phone("15551234568"));
    assert_eq!(hasher.file_name(&john), hasher.file_name(&john));
    assert_ne!(hasher.file_name(&john), hasher.file_name(&jane));
    assert_eq!(hasher.file_name(&john).len(), 32);
    let other = CodeHasher::new(Secret::new("other".to_owned()));
    assert_ne!(hasher.file_name(&john), other.file_name(&john));
}

/// Pearson's statistic of counts that should all be the same.
fn chi_squared(counts: &[u32]) -> f64 {
    let total: f64 = counts.iter().copied().map(f64::from).sum();
    let expected = total / f64::from(u32::try_from(counts.len()).unwrap());
    let square = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
    counts.iter().map(square).sum()
}

/// Whether uniform random numbers give this statistic, for so many cells: by
/// Wilson and Hilferty its cube root is nearly normal, and six standard deviations
/// are exceeded once in five hundred million times. Counts that are all the same
/// are not random either.
fn is_random(statistic: f64, cells: usize) -> bool {
    let freedom = f64::from(u32::try_from(cells).unwrap()) - 1.0;
    let spread = 2.0 / (9.0 * freedom);
    let normal = ((statistic / freedom).cbrt() - (1.0 - spread)) / spread.sqrt();
    normal.abs() < 6.0
}

/// A million codes: every beginning and every end is equally frequent, and no
/// code depends on the one before.
#[test]
fn codes_are_unbiased() {
    let mut counts = [vec![0; 900], vec![0; 1000], vec![0; 1000]];
    let mut last = 0;
    for _ in 0..1_000_000 {
        let code: usize = Code::random(6).unwrap().expose().parse().unwrap();
        counts[0][code / 1000 - 100] += 1;
        counts[1][code % 1000] += 1;
        counts[2][(code / 1000 + last) % 1000] += 1;
        last = code % 1000;
    }
    for counts in &counts[..2] {
        let statistic = chi_squared(counts);
        assert!(is_random(statistic, counts.len()), "{statistic}");
    }
    // The sum with a number that is uniform modulo 1000 is uniform, too.
    let statistic = chi_squared(&counts[2]);
    assert!(is_random(statistic, 1000), "{statistic}");
}

/// The statistic finds a bias of one part in twenty.
#[test]
fn biased_codes_are_found() {
    let mut counts = vec![1000_u32; 1000];
    for count in counts.iter_mut().step_by(2) {
        *count += 100;
    }
    assert!(!is_random(chi_squared(&counts), counts.len()));
    assert!(!is_random(chi_squared(&[1000; 1000]), 1000), "too even");
}

/// Welch's t of the times that `check` takes with two codes, in random order and
/// without the slowest tenth, when the machine did other things. Both codes are in
/// the same memory while they are checked, so that nothing else differs.
fn welch_t(rounds: usize, codes: [&str; 2], check: &impl Fn(&str)) -> f64 {
    let mut times = [Vec::new(), Vec::new()];
    let mut given = codes[0].to_owned();
    for _ in 0..2 * rounds {
        let which = usize::from(getrandom::u32().unwrap() & 1 == 1);
        given.clear();
        given.push_str(codes[which]);
        let start = Instant::now();
        check(black_box(&given));
        times[which].push(start.elapsed().as_secs_f64() * 1e9);
    }
    let mut all = times.concat();
    all.sort_by(f64::total_cmp);
    let bound = all[all.len() * 9 / 10];
    let [(one, one_spread), (other, other_spread)] = times.map(|mut times| {
        times.retain(|time| *time < bound);
        let count = f64::from(u32::try_from(times.len()).unwrap());
        let mean = times.iter().sum::<f64>() / count;
        let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
        (mean, squares / (count - 1.0) / count)
    });
    (one - other) / (one_spread + other_spread).sqrt()
}

/// The smallest difference of several runs: other work of the machine may make one
/// run differ; what depends on the code makes all of them differ.
fn smallest_t(codes: [&str; 2], check: &impl Fn(&str)) -> f64 {
    let runs = (0..5).map(|_| welch_t(10_000, codes, check).abs());
    runs.fold(f64::INFINITY, f64::min)
}

/// A t above 10 is a certain difference; a comparison digit by digit is far above
/// it.
#[test]
fn time_of_a_check_does_not_depend_on_the_code() {
    const CERTAIN: f64 = 10.0;
    let hasher = CodeHasher::new(Secret::new("key".to_owned()));
    let john = phone("15551234567");
    let stored = hasher.hash(&john, &Code("123456".to_owned())).unwrap();
    let is = |given: &str| {
        black_box(hasher.matches(&stored, &john, given));
    };
    for right in ["123457", "123456"] {
        let t = smallest_t([right, "923457"], &is);
        assert!(t < CERTAIN, "{right}: {t}");
    }
    // The test finds a comparison that ends at the first difference.
    let naive = |given: &str| {
        let pairs = given.bytes().zip("123456".bytes());
        let same = pairs.take_while(|(one, other)| black_box(one) == black_box(other));
        for _ in same {
            black_box(hasher.matches(&stored, &john, ""));
        }
    };
    let t = smallest_t(["123457", "923457"], &naive);
    assert!(t > CERTAIN, "{t}");
}
