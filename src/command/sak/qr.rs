//! `whatsapp session qr`: shows the code until the phone has scanned it.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::cli::SessionQr;
use crate::command::sak::SakSession;
use crate::command::terminal::{CommandError, hint, print, store};
use crate::config::SessionId;
use crate::exit::Exit;
use crate::http::client::json_api::ApiError;
use crate::sak::qr::QrImage;
use crate::sak::request::SakRequest;
use crate::sak::response::{self, PairingProgress};

/// Between two looks at the gateway; it allows 100 requests a minute.
const PAUSE: Duration = Duration::from_secs(1);

/// The same after it has said that these are too many, unless it says more.
const LONG_PAUSE: Duration = Duration::from_secs(10);

/// Asks for the code, shows each new one, and ends when the phone is connected.
pub(super) async fn show(desk: &SakSession, options: &SessionQr) -> Result<(), CommandError> {
    let end = Instant::now() + Duration::from_secs(options.wait);
    let session = &desk.session(options.id.as_ref()).await?;
    let mut watch = PairingWatch::default();
    loop {
        let asked = timeout_at(end, look(desk, session)).await;
        let Ok(asked) = asked else { break };
        let pause = match asked {
            Ok(progress) => {
                if let Some(new) = watch.see(progress) {
                    show_new(&new, options)?;
                }
                if watch.connected {
                    print_connected_phone(desk, session).await;
                    return Ok(());
                }
                watch.pause
            }
            Err(failure) => watch.bear(failure)?,
        };
        if Instant::now() + pause >= end {
            break;
        }
        sleep(pause).await;
    }
    Err(watch.given_up(options.wait))
}

async fn look(desk: &SakSession, session: &SessionId) -> Result<PairingProgress, CommandError> {
    let data = desk.send(&SakRequest::Qr { session }).await?;
    Ok(response::progress(&data)?)
}

/// What was seen so far.
struct PairingWatch {
    code: Option<String>,
    connected: bool,
    answered: bool,
    pause: Duration,
    last_trouble: Option<String>,
}

/// A code that was not seen before.
struct NewCode {
    code: String,
    /// Whether another one was shown before.
    again: bool,
}

impl Default for PairingWatch {
    fn default() -> Self {
        Self {
            code: None,
            connected: false,
            answered: false,
            pause: PAUSE,
            last_trouble: None,
        }
    }
}

impl PairingWatch {
    fn see(&mut self, progress: PairingProgress) -> Option<NewCode> {
        self.answered = true;
        self.last_trouble = None;
        match progress {
            PairingProgress::Code(code) if self.code.as_ref() != Some(&code) => {
                let again = self.code.replace(code.clone()).is_some();
                Some(NewCode { code, again })
            }
            PairingProgress::Code(_) | PairingProgress::NotReady => None,
            PairingProgress::Connected => {
                self.connected = true;
                None
            }
        }
    }

    /// How long to wait after a failure. A limit slows down for good; what may
    /// pass is borne once the gateway has answered.
    fn bear(&mut self, failure: CommandError) -> Result<Duration, CommandError> {
        let Some(trouble) = &failure.api_error else {
            return Err(failure);
        };
        let pause = if trouble.is_rate_limited() {
            self.pause = LONG_PAUSE;
            trouble.retry_after.unwrap_or(LONG_PAUSE).max(PAUSE)
        } else if self.answered && trouble.is_temporary() {
            self.pause
        } else {
            return Err(failure);
        };
        if self.last_trouble.as_ref() != Some(&failure.text) {
            hint(&format!("{} (asking on)", words(trouble)));
            self.last_trouble = Some(failure.text);
        }
        Ok(pause)
    }

    fn given_up(&self, seconds: u64) -> CommandError {
        let text = match (&self.last_trouble, &self.code) {
            (Some(trouble), _) => trouble.clone(),
            (None, None) => "there was no code to scan: see the gateway's log, or delete the \
                             session and make another"
                .to_owned(),
            (None, Some(_)) => "nobody scanned the code: run this again, and scan it in WhatsApp \
                                under Settings, Linked devices"
                .to_owned(),
        };
        let text = format!("given up after {seconds} s: {text}");
        CommandError::new(Exit::Failed, text)
    }
}

fn words(trouble: &ApiError) -> String {
    format!("{} ({})", trouble.class.summary, trouble.detail)
}

fn show_new(new: &NewCode, options: &SessionQr) -> Result<(), CommandError> {
    let picture = QrImage::encode(&new.code).map_err(|error| {
        let text = format!("the gateway's code cannot be drawn: {error}");
        CommandError::new(Exit::Unknown, text)
    })?;
    if let Some(path) = &options.png {
        let file = picture.png().map_err(|error| {
            CommandError::new(Exit::Internal, format!("failed to make a PNG: {error}"))
        })?;
        store(path, &file)?;
    }
    if let Some(path) = &options.svg {
        store(path, picture.svg().as_bytes())?;
    }
    print(&describe(new, options, &picture));
    Ok(())
}

/// The code as it is drawn, or where it was written.
fn describe(new: &NewCode, options: &SessionQr, picture: &QrImage) -> String {
    let start = if new.again {
        "The code has changed; only this one is good now.\n"
    } else {
        "On the phone: WhatsApp, Settings, Linked devices, Link a device; scan this.\n"
    };
    let files: Vec<_> = [&options.png, &options.svg]
        .into_iter()
        .flatten()
        .map(|path| format!("The code is in {}\n", path.display()))
        .collect();
    if files.is_empty() {
        let side = picture.side();
        let (drawn, rows) = (picture.terminal(), side.div_ceil(2));
        let hint = format!(
            "If it does not fit ({side} columns, {rows} lines): smaller letters, or --png FILE.\n"
        );
        return format!("{start}{drawn}{hint}");
    }
    format!("{start}{}", files.concat())
}

/// The number is nice to know, and not what was asked for.
async fn print_connected_phone(desk: &SakSession, session: &SessionId) {
    let data = desk.send(&SakRequest::SessionStatus { session }).await.ok();
    let known = data.and_then(|data| response::session(&data).ok());
    let phone = known
        .map(|known| known.phone)
        .filter(|phone| !phone.is_empty());
    let phone = phone.map_or_else(String::new, |phone| format!(": {phone}"));
    print(&format!("The phone is connected{phone}\n"));
}
