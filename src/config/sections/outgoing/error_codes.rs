//! `[websms]`: what the error codes of a provider mean.

use crate::config::sections::outgoing::response_place::{self, ResponsePlace};
use crate::config::syntax::keys::websms as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;

/// The status of a response, among the codes: `http_status=402`.
const STATUS: &str = "http_status";

/// Where a provider's responses have error codes, and what these mean.
#[derive(Debug, Clone, Default)]
pub struct ErrorCodes {
    /// Where a response has the code; `None` where the status is the code.
    pub code: Option<ResponsePlace>,
    /// Where a response has the reason in words.
    pub reason: Option<ResponsePlace>,
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

    /// The codes that a response is looked up by: its own, and its status. Without
    /// `resp_error` the bare status of a refusal is one; that of a failure, after which
    /// the message may have been sent, must be named as such.
    pub(crate) fn of_response(
        &self,
        code: Option<String>,
        status: u16,
        is_refused: bool,
    ) -> Vec<String> {
        let is_code = self.code.is_none() && is_refused;
        let own = code.or_else(|| is_code.then(|| status.to_string()));
        own.into_iter()
            .chain([format!("{STATUS}={status}")])
            .collect()
    }
}

/// Reads one interface; `None` after a mistake, which has been recorded.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<ErrorCodes> {
    let code = reader.read_as(&keys::RESP_ERROR, response_place::parse);
    let reason = reader.read_as(&keys::RESP_REASON, response_place::parse);
    let explanations = reader.read_each_as(&keys::REASON, explanation);
    let retry = reader.read_as(&keys::RETRY_ON, codes);
    let fallback = reader.read_as(&keys::FALLBACK_ON, codes);
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
            let code = code.trim().to_owned();
            check_status(&code)?;
            Ok(Some((code, words.trim().to_owned())))
        }
        _ => Err(keys::REASON.expected()),
    }
}

/// Codes, separated by commas.
fn codes(raw: &str) -> Result<Vec<String>, String> {
    let codes = value::words(raw)?;
    codes.iter().try_for_each(|code| check_status(code))?;
    Ok(codes)
}

/// A status that no response can have would never be found.
fn check_status(code: &str) -> Result<(), String> {
    let Some(rest) = code.strip_prefix(STATUS) else {
        return Ok(());
    };
    let status = rest
        .strip_prefix('=')
        .and_then(|status| status.parse().ok());
    match status {
        Some(100_u16..=599) => Ok(()),
        _ => Err(format!(
            "{code:?} names no status (expected e.g. {STATUS}=402)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_among_the_codes_is_one_that_exists() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let expected: Vec<String> = words(&["7", "http_status=402", "failed"]);
        assert_eq!(codes("7, http_status=402,failed"), Ok(expected));
        for wrong in [
            "http_status",
            "http_status=4xx",
            "http_status!=402",
            "http_status=99",
        ] {
            assert!(codes(wrong).is_err(), "{wrong}");
            assert!(explanation(&format!("{wrong}: words")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn status_is_the_code_where_no_place_has_one() {
        let mut errors = ErrorCodes::default();
        assert_eq!(
            errors.of_response(None, 402, true),
            ["402", "http_status=402"]
        );
        errors.code = response_place::parse("/code").unwrap();
        assert_eq!(errors.of_response(None, 402, true), ["http_status=402"]);
        let own = Some("7".to_owned());
        assert_eq!(errors.of_response(own, 402, true), ["7", "http_status=402"]);
    }
}
