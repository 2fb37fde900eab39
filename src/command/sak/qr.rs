//! `whatsapp session qr`: shows the QR code until the phone has scanned it.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::cli::SessionQr;
use crate::command::sak::gateway::Gateway;
use crate::command::terminal::{CommandError, hint, print, print_raw, store};
use crate::config::SessionId;
use crate::exit::Exit;
use crate::http::client::api_error::ApiError;
use crate::logging::chain;
use crate::sak::qr::QrImage;
use crate::sak::request::SakRequest;
use crate::sak::response::{self, PairingProgress};

/// Between two requests; the gateway allows 100 a minute.
const PAUSE: Duration = Duration::from_secs(1);

/// The same after a rate limit, unless the gateway says how long to wait.
const LONG_PAUSE: Duration = Duration::from_secs(10);

/// Shows each new code until the phone is connected.
pub(super) async fn show(gateway: &Gateway, options: &SessionQr) -> Result<(), CommandError> {
    let end = Instant::now() + Duration::from_secs(options.wait);
    let session = &gateway.choose_session(options.id.as_ref()).await?;
    let mut pairing = Pairing::default();
    loop {
        let Ok(result) = timeout_at(end, progress(gateway, session)).await else {
            break;
        };
        let pause = match result {
            Ok(progress) => {
                if let Some(new) = pairing.update(progress) {
                    show_new(&new, options)?;
                }
                if pairing.connected {
                    print_connected_phone(gateway, session).await;
                    return Ok(());
                }
                pairing.pause
            }
            Err(error) => pairing.tolerate(error)?,
        };
        if Instant::now() + pause >= end {
            break;
        }
        sleep(pause).await;
    }
    Err(pairing.timed_out(options.wait))
}

async fn progress(gateway: &Gateway, session: &SessionId) -> Result<PairingProgress, CommandError> {
    let data = gateway.send(&SakRequest::Qr { session }).await?;
    Ok(response::progress(&data)?)
}

/// What the gateway has reported so far.
struct Pairing {
    code: Option<String>,
    connected: bool,
    /// Whether any request was successful.
    answered: bool,
    pause: Duration,
    last_error: Option<String>,
}

/// A code that was not shown before.
struct NewCode {
    code: String,
    /// Whether it replaces another one.
    is_replacement: bool,
}

impl Default for Pairing {
    fn default() -> Self {
        Self {
            code: None,
            connected: false,
            answered: false,
            pause: PAUSE,
            last_error: None,
        }
    }
}

impl Pairing {
    /// Returns the code when it is a new one.
    fn update(&mut self, progress: PairingProgress) -> Option<NewCode> {
        self.answered = true;
        self.last_error = None;
        match progress {
            PairingProgress::Code(code) if self.code.as_ref() != Some(&code) => {
                let is_replacement = self.code.replace(code.clone()).is_some();
                Some(NewCode {
                    code,
                    is_replacement,
                })
            }
            PairingProgress::Code(_) | PairingProgress::NotReady => None,
            PairingProgress::Connected => {
                self.connected = true;
                None
            }
        }
    }

    /// How long to wait after an error. After a rate limit all later requests are
    /// slower; temporary errors are tolerated once the gateway has answered.
    fn tolerate(&mut self, error: CommandError) -> Result<Duration, CommandError> {
        let Some(api_error) = &error.api_error else {
            return Err(error);
        };
        let pause = if api_error.is_rate_limited() {
            self.pause = LONG_PAUSE;
            api_error.retry_after.unwrap_or(LONG_PAUSE).max(PAUSE)
        } else if self.answered && api_error.is_temporary() {
            self.pause
        } else {
            return Err(error);
        };
        if self.last_error.as_ref() != Some(&error.text) {
            let ApiError { class, detail, .. } = api_error.as_ref();
            hint(&format!("{} ({detail}) (trying again)", class.summary));
            self.last_error = Some(error.text);
        }
        Ok(pause)
    }

    fn timed_out(&self, seconds: u64) -> CommandError {
        let text = match (&self.last_error, &self.code) {
            (Some(error), _) => error.clone(),
            (None, None) => "there was no code to scan: see the gateway's log, or delete the \
                             session and create another"
                .to_owned(),
            (None, Some(_)) => "the code was not scanned: run this again, and scan it in WhatsApp \
                                under Settings, Linked devices"
                .to_owned(),
        };
        let text = format!("stopped after {seconds} s: {text}");
        CommandError::new(Exit::Failed, text)
    }
}

fn show_new(new: &NewCode, options: &SessionQr) -> Result<(), CommandError> {
    let image = QrImage::encode(&new.code).map_err(|error| {
        let text = format!(
            "the gateway's code does not fit into a QR code: {}",
            chain(&error)
        );
        CommandError::new(Exit::Unknown, text)
    })?;
    if let Some(path) = &options.png {
        let file = image.png().map_err(|error| {
            CommandError::new(
                Exit::Internal,
                format!("failed to write a PNG: {}", chain(&error)),
            )
        })?;
        store(path, &file)?;
    }
    if let Some(path) = &options.svg {
        store(path, image.svg().as_bytes())?;
    }
    show_code(options, new, &image);
    Ok(())
}

/// Prints the drawn code, or the files that it was written to.
fn show_code(options: &SessionQr, new: &NewCode, image: &QrImage) {
    print(if new.is_replacement {
        "The code has changed; only this one is valid now.\n"
    } else {
        "On the phone: WhatsApp, Settings, Linked devices, Link a device; scan this.\n"
    });
    let files: Vec<_> = [&options.png, &options.svg]
        .into_iter()
        .flatten()
        .map(|path| format!("The code is in {}\n", path.display()))
        .collect();
    if !files.is_empty() {
        return print(&files.concat());
    }
    print_raw(&image.terminal());
    let side = image.side();
    let rows = side.div_ceil(2);
    print(&format!(
        "If it does not fit ({side} columns, {rows} lines): use a smaller font, or --png FILE.\n"
    ));
}

/// The number is additional, so its absence is not an error.
async fn print_connected_phone(gateway: &Gateway, session: &SessionId) {
    let data = gateway
        .send(&SakRequest::SessionStatus { session })
        .await
        .ok();
    let session = data.and_then(|data| response::session(&data).ok());
    let phone = session
        .map(|session| session.phone)
        .filter(|phone| !phone.is_empty());
    let phone = phone.map_or_else(String::new, |phone| format!(": {phone}"));
    print(&format!("The phone is connected{phone}\n"));
}
