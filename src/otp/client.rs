//! Asks the daemon, which alone keeps codes, from another process.

use std::fmt;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, SERVER};
use serde_json::json;

use crate::config::OtpSettings;
use crate::http::client::tls;
use crate::http::client::{self, error_chain};
use crate::logging::chain;
use crate::otp::agi::OtpCommand;
use crate::otp::http::SERVER_NAME;
use crate::otp::outcome::{OTP_STATUS, OtpOutcome};
use crate::otp::phone::Phone;
use crate::secret::{Secret, SecretError, SecretSource};

/// For an answer; the daemon may have to try one way after the other.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Asks the daemon that `[otp]` describes.
///
/// # Errors
/// When it does not answer, or does not let us in.
pub(crate) async fn ask(
    otp: &OtpSettings,
    asked: &OtpCommand,
) -> Result<OtpOutcome, OtpClientError> {
    let token = otp.client_token.as_ref();
    let token = token
        .map(SecretSource::resolve_nonempty)
        .transpose()
        .map_err(OtpClientError::Secret)?;
    let client = client::builder(tls::without_roots())
        .no_proxy()
        .timeout(TIMEOUT)
        .build()
        .map_err(|error| OtpClientError::Network(error.to_string()))?;
    let (phone, code) = match asked {
        OtpCommand::Send { phone } => (phone, None),
        OtpCommand::Verify { phone, code } => (phone, Some(code)),
    };
    // What is no number may be no path either: nothing, dots, more than a head takes.
    if Phone::parse(phone).is_err() {
        return Ok(code.map_or(OtpOutcome::InvalidPhone, |_| OtpOutcome::Unknown));
    }
    let phone = utf8_percent_encode(phone, NON_ALPHANUMERIC);
    let url = format!("http://{}/otp/{phone}/", otp.here());
    let asking = match code {
        None => client.get(url),
        Some(code) => client.post(url).body(json!({ "code": code }).to_string()),
    };
    let asking = match token.as_ref().map(Secret::expose) {
        Some(token) => asking.bearer_auth(token),
        None => asking,
    };
    let answered = asking.send().await;
    let response = answered.map_err(|error| OtpClientError::Network(error_chain(&error)))?;
    let outcome = outcome(response.status(), response.headers())?;
    let fits = match asked {
        OtpCommand::Send { .. } => outcome.answers_send(),
        OtpCommand::Verify { .. } => outcome.answers_verify(),
    };
    fits.then_some(outcome).ok_or(OtpClientError::OtherProgram)
}

/// The outcome that the daemon says. Other programs listen at port 3000 too and
/// answer 200 to everything, which verifies nobody.
fn outcome(status: StatusCode, headers: &HeaderMap) -> Result<OtpOutcome, OtpClientError> {
    let server = headers.get(SERVER);
    if server.is_none_or(|server| server != SERVER_NAME) {
        return Err(OtpClientError::OtherProgram);
    }
    let header = headers.get(OTP_STATUS);
    let header = header.ok_or(OtpClientError::Refused(status.as_u16()))?;
    let outcome = header.to_str().ok().and_then(OtpOutcome::from_header);
    outcome.ok_or(OtpClientError::OtherProgram)
}

/// Why the daemon could not be asked. The administrator must act.
#[derive(Debug)]
pub(crate) enum OtpClientError {
    /// It does not answer, in words.
    Network(String),
    /// It does not let us in, and with which status.
    Refused(u16),
    /// The token cannot be had.
    Secret(SecretError),
    /// Another program answers there.
    OtherProgram,
}

impl fmt::Display for OtpClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(error) => write!(
                f,
                "reach websmsd at listen of [otp]: {error}; see that it runs, with this \
                 configuration"
            ),
            Self::Refused(status) => write!(
                f,
                "be let in by websmsd, which says {status}: see permit_addr and client_token of \
                 [otp], and its log"
            ),
            Self::Secret(error) => f.write_str(&chain(error)),
            Self::OtherProgram => f.write_str(
                "reach websmsd at listen of [otp]: another program answers there; see that \
                 websmsd runs, with this configuration",
            ),
        }
    }
}

impl std::error::Error for OtpClientError {}
