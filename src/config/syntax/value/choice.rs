//! One of several words, and values that a section reads in its own way.

use crate::config::syntax::problem::did_you_mean;
use crate::config::syntax::value::kind::{Describe, Kind, expected};
use crate::model::number::NumberFormat;

/// One of a fixed set of words, in any case; the text lists them. The section says
/// what each means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice(pub(crate) &'static str);

/// A value that the section reads in its own way; the text describes it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Custom(pub(crate) &'static str);

/// A form in which numbers are written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NumberForm;

impl Choice {
    /// The meaning of the word in the file.
    ///
    /// # Errors
    /// When it is not one of `choices`.
    pub(crate) fn parse<T: Copy>(
        &self,
        raw: &str,
        choices: &[(&'static str, T)],
    ) -> Result<T, String> {
        debug_assert!(
            choices.iter().all(|(word, _)| self.0.contains(word)),
            "{self:?} lists every word"
        );
        choose(self, raw, choices)
    }
}

impl Describe for Choice {
    fn describe(&self) -> String {
        self.0.to_owned()
    }
}

impl Describe for Custom {
    fn describe(&self) -> String {
        self.0.to_owned()
    }
}

impl Describe for NumberForm {
    fn describe(&self) -> String {
        "E123, omit+, no+, E164, plus, nanp10, nanp11, nanp+, jid or jid-".to_owned()
    }
}

impl Kind for NumberForm {
    type Value = NumberFormat;

    fn parse(&self, raw: &str) -> Result<NumberFormat, String> {
        const FORMATS: [(&str, NumberFormat); 13] = [
            ("", NumberFormat::AsIs),
            ("E123", NumberFormat::AsIs),
            ("E.123", NumberFormat::AsIs),
            ("omit+", NumberFormat::OmitPlus),
            ("no+", NumberFormat::WithoutPrefix),
            ("E164", NumberFormat::WithoutPrefix),
            ("E.164", NumberFormat::WithoutPrefix),
            ("plus", NumberFormat::Plus),
            ("nanp10", NumberFormat::Nanp10),
            ("nanp11", NumberFormat::Nanp11),
            ("nanp+", NumberFormat::NanpPlus),
            ("jid", NumberFormat::Jid),
            ("jid-", NumberFormat::JidDigits),
        ];
        choose(self, raw, &FORMATS)
    }
}

fn choose<T: Copy>(
    kind: &impl Describe,
    raw: &str,
    choices: &[(&'static str, T)],
) -> Result<T, String> {
    let found = choices
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(raw));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words = choices.iter().map(|(word, _)| *word);
        let hint = did_you_mean(raw, words.filter(|word| !word.is_empty()));
        format!("{}{hint}", expected(kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_is_found_in_any_case() {
        let choice = Choice("yes, no or perhaps");
        let words = [("yes", 1), ("no", 2), ("perhaps", 3)];
        assert_eq!(choice.parse("Perhaps", &words), Ok(3));
        assert_eq!(
            choice.parse("prehaps", &words).unwrap_err(),
            "expected yes, no or perhaps (did you mean \"perhaps\"?)"
        );
    }
}
