//! `[websms]`: what a provider says when it refuses, and what that means.

use crate::config::syntax::keys::websms as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::path::FieldPath;

/// What a provider's refusals mean.
#[derive(Debug, Clone, Default)]
pub struct ErrorCodes {
    /// Where an answer has the code.
    pub code: Vec<FieldPath>,
    /// Where it says why in words.
    pub reason: Vec<FieldPath>,
    /// Codes and what they mean.
    pub text: Vec<(String, String)>,
    /// Codes that mean: not sent, but may be later.
    pub retry: Vec<String>,
    /// Codes that are a matter for the fallback.
    pub fallback: Vec<String>,
}

impl ErrorCodes {
    /// What a code means, if that is known.
    #[must_use]
    pub fn words(&self, code: &str) -> Option<&str> {
        let found = self.text.iter().find(|(known, _)| known == code);
        found.map(|(_, words)| words.as_str())
    }
}

/// Reads what one interface says; `None` when there was a mistake, which has
/// been noted.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<ErrorCodes> {
    let code = reader.read(&keys::RESP_ERROR);
    let reason = reader.read(&keys::RESP_REASON);
    let words = reader.read_each_as(&keys::REASON, words);
    let retry = reader.read(&keys::RETRY_ON);
    let fallback = reader.read(&keys::FALLBACK_ON);
    Some(ErrorCodes {
        code: code?,
        reason: reason?,
        text: words?,
        retry: retry?,
        fallback: fallback?,
    })
}

/// `CODE: what it means`.
fn words(raw: &str) -> Result<Option<(String, String)>, String> {
    let Some(raw) = value::optional(raw)? else {
        return Ok(None);
    };
    match raw.split_once(':') {
        Some((code, words)) if !code.trim().is_empty() && !words.trim().is_empty() => {
            Ok(Some((code.trim().to_owned(), words.trim().to_owned())))
        }
        _ => Err("does not say what a code means (expected CODE: words)".to_owned()),
    }
}
