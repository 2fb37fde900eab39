//! Asks the running daemon, which alone has the codes, from another process.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderMap, SERVER};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::json;
use thiserror::Error;

use crate::config::OtpSettings;
use crate::http::client;
use crate::http::client::tls;
use crate::otp::agi::OtpCommand;
use crate::otp::http::SERVER_NAME;
use crate::otp::outcome::{OTP_STATUS, OtpOutcome};
use crate::otp::phone::Phone;
use crate::secret::{Secret, SecretError, SecretSource};

/// For a response; the daemon may have to try one channel after the other.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Asks the daemon that `[otp]` describes.
///
/// # Errors
/// When there is no response, or not one of `websmsd` to this request.
pub(crate) async fn ask(
    settings: &OtpSettings,
    command: &OtpCommand,
) -> Result<OtpOutcome, OtpClientError> {
    let (OtpCommand::Send { phone } | OtpCommand::Verify { phone, .. }) = command;
    // An invalid number may be an invalid path, too: empty, dots, or too long.
    if Phone::parse(phone).is_err() {
        return Ok(match command {
            OtpCommand::Send { .. } => OtpOutcome::InvalidPhone,
            OtpCommand::Verify { .. } => OtpOutcome::Unknown,
        });
    }
    let response = request(settings, command, phone)?.send().await?;
    let outcome = outcome(response.status(), response.headers())?;
    let answers = match command {
        OtpCommand::Send { .. } => outcome.answers_send(),
        OtpCommand::Verify { .. } => outcome.answers_verify(),
    };
    answers
        .then_some(outcome)
        .ok_or(OtpClientError::OtherProgram)
}

fn request(
    settings: &OtpSettings,
    command: &OtpCommand,
    phone: &str,
) -> Result<RequestBuilder, OtpClientError> {
    let client = client::builder(tls::without_roots())
        .no_proxy()
        .timeout(TIMEOUT)
        .build()?;
    let phone = utf8_percent_encode(phone, NON_ALPHANUMERIC);
    let url = format!("http://{}/otp/{phone}/", settings.local_address());
    let request = match command {
        OtpCommand::Send { .. } => client.get(url),
        OtpCommand::Verify { code, .. } => {
            client.post(url).body(json!({ "code": code }).to_string())
        }
    };
    let token = settings.client_token.as_ref();
    let token = token.map(SecretSource::resolve_nonempty).transpose()?;
    Ok(match token.as_ref().map(Secret::expose) {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
}

/// The outcome that the daemon reports. Another program may listen at port 3000, and
/// its 200 must not verify a code.
fn outcome(status: StatusCode, headers: &HeaderMap) -> Result<OtpOutcome, OtpClientError> {
    let server = headers.get(SERVER);
    if server.is_none_or(|server| server != SERVER_NAME) {
        return Err(OtpClientError::OtherProgram);
    }
    let header = headers.get(OTP_STATUS);
    let header = header.ok_or(OtpClientError::Refused(status))?;
    let outcome = header.to_str().ok().and_then(OtpOutcome::from_header);
    outcome.ok_or(OtpClientError::OtherProgram)
}

/// Why the daemon could not be asked. The administrator must act.
#[derive(Debug, Error)]
pub(crate) enum OtpClientError {
    #[error("reach websmsd at listen of [otp] (does it run, with this configuration?)")]
    Network(#[source] reqwest::Error),
    #[error("use websmsd at listen of [otp]: another program answers there")]
    OtherProgram,
    /// The daemon does not permit the request.
    #[error(
        "use websmsd: it refused the request with status {0} (see permit_addr and client_token \
         of [otp], and its log)"
    )]
    Refused(StatusCode),
    #[error("read client_token of [otp]")]
    Secret(#[from] SecretError),
}

impl From<reqwest::Error> for OtpClientError {
    fn from(error: reqwest::Error) -> Self {
        // The URL holds the number.
        Self::Network(error.without_url())
    }
}
