//! Numbers, times, yes and no.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::config::syntax::value::kind::{Describe, Kind, expected};

/// A whole number, from the first bound to the second.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Number<T>(pub(crate) T, pub(crate) T);

/// A whole number up to a bound; 0 is `None`, which sets no limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Limit<T>(pub(crate) T);

/// A time in whole seconds, from the first bound to the second.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seconds(pub(crate) u64, pub(crate) u64);

/// `yes` or `no`, with the other words that PHP and Asterisk take for them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct YesOrNo;

impl<T: Display> Describe for Number<T> {
    fn describe(&self) -> String {
        format!("a number from {} to {}", self.0, self.1)
    }
}

impl<T: FromStr + PartialOrd + Display> Kind for Number<T> {
    type Value = T;

    fn parse(&self, raw: &str) -> Result<T, String> {
        let number = raw.parse().ok();
        number
            .filter(|number| (&self.0..=&self.1).contains(&number))
            .ok_or_else(|| expected(self))
    }
}

impl<T: Display> Describe for Limit<T> {
    fn describe(&self) -> String {
        format!("a number up to {}, or 0 for no limit", self.0)
    }
}

impl<T: FromStr + PartialOrd + Display + Default> Kind for Limit<T> {
    type Value = Option<T>;

    fn parse(&self, raw: &str) -> Result<Option<T>, String> {
        let none = T::default();
        let number = raw.parse().ok();
        let number = number.filter(|number| (&none..=&self.0).contains(&number));
        let number = number.ok_or_else(|| expected(self))?;
        Ok((number > none).then_some(number))
    }
}

impl Describe for Seconds {
    fn describe(&self) -> String {
        format!("seconds, from {} to {}", self.0, self.1)
    }
}

impl Kind for Seconds {
    type Value = Duration;

    fn parse(&self, raw: &str) -> Result<Duration, String> {
        let seconds = raw.parse().ok();
        seconds
            .filter(|seconds| (self.0..=self.1).contains(seconds))
            .map(Duration::from_secs)
            .ok_or_else(|| expected(self))
    }
}

impl Describe for YesOrNo {
    fn describe(&self) -> String {
        "yes or no".to_owned()
    }
}

impl Kind for YesOrNo {
    type Value = bool;

    fn parse(&self, raw: &str) -> Result<bool, String> {
        const WORDS: [(&str, bool); 9] = [
            ("yes", true),
            ("no", false),
            ("true", true),
            ("false", false),
            ("on", true),
            ("off", false),
            ("1", true),
            ("0", false),
            ("", false),
        ];
        WORDS
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(raw))
            .map(|(_, value)| *value)
            .ok_or_else(|| expected(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_out_of_range_is_refused() {
        assert_eq!(Number(2_u8, 5).parse("2"), Ok(2));
        assert_eq!(Number(2_u8, 5).parse("5"), Ok(5));
        for bad in ["1", "6", "", "x", "2.0", "-2", "999"] {
            let message = Number(2_u8, 5).parse(bad).unwrap_err();
            assert_eq!(message, "expected a number from 2 to 5", "{bad}");
        }
    }

    #[test]
    fn limit_of_zero_is_none() {
        assert_eq!(Limit(5_u32).parse("0"), Ok(None));
        assert_eq!(Limit(5_u32).parse("5"), Ok(Some(5)));
        assert!(Limit(5_u32).parse("6").is_err());
        assert!(Limit(5_u32).parse("").is_err());
    }

    #[test]
    fn seconds_out_of_range_are_refused() {
        assert_eq!(Seconds(0, 60).parse("0"), Ok(Duration::ZERO));
        assert_eq!(Seconds(2, 60).parse("60"), Ok(Duration::from_secs(60)));
        assert!(Seconds(2, 60).parse("61").is_err());
        assert!(Seconds(2, 60).parse("1s").is_err());
    }
}
