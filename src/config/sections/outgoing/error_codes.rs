//! `[websms]`: what the error codes of a provider mean.

use crate::config::syntax::keys::websms as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::path::FieldPath;

/// Where a provider's responses have error codes, and what these mean.
#[derive(Debug, Clone, Default)]
pub struct ErrorCodes {
    /// Where a response has the code.
    pub code: Vec<FieldPath>,
    /// Where a response has the reason in words.
    pub reason: Vec<FieldPath>,
    /// Codes and what they mean.
    pub explanations: Vec<(String, String)>,
    /// Codes after which the message is tried again.
    pub retry: Vec<String>,
    /// Codes after which the fallback is used.
    pub fallback: Vec<String>,
}

impl ErrorCodes {
    /// What a code means; `None` if `reason` does not list it.
    pub fn explanation(&self, code: &str) -> Option<&str> {
        let found = self.explanations.iter().find(|(known, _)| known == code);
        found.map(|(_, words)| words.as_str())
    }
}

/// Reads one interface; `None` after a mistake, which has been recorded.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<ErrorCodes> {
    let code = reader.read(&keys::RESP_ERROR);
    let reason = reader.read(&keys::RESP_REASON);
    let explanations = reader.read_each_as(&keys::REASON, explanation);
    let retry = reader.read(&keys::RETRY_ON);
    let fallback = reader.read(&keys::FALLBACK_ON);
    Some(ErrorCodes {
        code: code?,
        reason: reason?,
        explanations: explanations?,
        retry: retry?,
        fallback: fallback?,
    })
}

/// `CODE: what it means`.
fn explanation(raw: &str) -> Result<Option<(String, String)>, String> {
    let Some(raw) = value::optional(raw)? else {
        return Ok(None);
    };
    match raw.split_once(':') {
        Some((code, words)) if !code.trim().is_empty() && !words.trim().is_empty() => {
            Ok(Some((code.trim().to_owned(), words.trim().to_owned())))
        }
        _ => Err(keys::REASON.expected()),
    }
}
