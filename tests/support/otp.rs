//! A `websmsd` that sends one-time passwords, and whoever asks it for them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::http::{self, JSON, Response};
use super::{Answer, Daemon, Provider, Spool};

/// A phone.
pub(crate) const PHONE: &str = "15551234567";

/// A daemon that sends codes by SMS to a provider that records them, or by what
/// its configuration says.
pub(crate) struct Passwords {
    pub(crate) daemon: Daemon,
    pub(crate) address: SocketAddr,
    config: String,
}

impl Passwords {
    /// With SMS, and these keys of `[otp]`.
    pub(crate) fn by_sms(provider: &Provider, more: &str) -> Self {
        let interface = format!(
            "[websms]\nhost = {}\nauth_user = id\nauth_passwd = secret-of-the-provider\n",
            provider.url()
        );
        let sms = "channel = sms\nsms_from = +12025550160\nsms_text = {code} for {minutes} min\n";
        Self::start(&interface, &format!("{sms}{more}"))
    }

    /// With these lines before `[otp]`, and these in it.
    pub(crate) fn start(before: &str, otp: &str) -> Self {
        let spool = Spool::new();
        let config = format!(
            "{before}\n[otp]\nlisten = 127.0.0.1:0\notpdir = {}\n{otp}\n{}",
            spool.path().join("otp").display(),
            spool.section()
        );
        Self::with(spool, config)
    }

    fn with(spool: Spool, config: String) -> Self {
        let daemon = Daemon::with(spool, &config);
        let line = daemon.wait_for_log("OTP endpoint listening");
        let (_, address) = line.rsplit_once("address=").unwrap();
        let address = address.trim().parse().unwrap();
        Self {
            daemon,
            address,
            config,
        }
    }

    /// The same after an end by this signal.
    pub(crate) fn again(self, signal: Signal) -> Self {
        let (spool, _, _) = self.daemon.end(signal);
        Self::with(spool, self.config)
    }

    /// The same with something replaced in its configuration.
    pub(crate) fn changed(self, from: &str, to: &str) -> Self {
        assert!(self.config.contains(from), "{from}");
        let config = self.config.replace(from, to);
        let (spool, _, _) = self.daemon.end(Signal::SIGTERM);
        Self::with(spool, config)
    }

    /// The same, with the address in its configuration at which it listens now, for
    /// whoever looks there.
    pub(crate) fn where_it_is(self) -> Self {
        let here = format!("listen = {}", self.address);
        std::fs::write(
            self.configured(),
            self.config.replace("listen = 127.0.0.1:0", &here),
        )
        .unwrap();
        self
    }

    /// The daemon without `[otp]`.
    pub(crate) fn without(self) -> Daemon {
        let (before, rest) = self.config.split_once("[otp]").unwrap();
        let (_, after) = rest.split_once("[astqueue]").unwrap();
        let config = format!("{before}[astqueue]{after}");
        let (spool, _, _) = self.daemon.end(Signal::SIGTERM);
        Daemon::with(spool, &config)
    }

    /// Lets time pass for all that is kept, which is read anew each time.
    pub(crate) fn forward(&self, time: Duration) {
        let time = u64::try_from(time.as_millis()).unwrap();
        for file in std::fs::read_dir(self.directory()).unwrap() {
            let path = file.unwrap().path();
            let mut entry: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let earlier = |value: &mut Value| *value = (value.as_u64().unwrap() - time).into();
            for sent in entry["sends"].as_array_mut().unwrap() {
                earlier(sent);
            }
            if let Some(code) = entry["code"].as_object_mut() {
                earlier(&mut code["from"]);
                earlier(&mut code["until"]);
            }
            std::fs::write(&path, entry.to_string()).unwrap();
        }
    }

    /// Where codes are kept.
    pub(crate) fn directory(&self) -> PathBuf {
        self.daemon.spool.path().join("otp")
    }

    /// Its configuration file.
    pub(crate) fn configured(&self) -> PathBuf {
        self.daemon.spool.path().join("websms.conf")
    }

    pub(crate) fn say(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let raw = http::request(method, target, headers, body.as_bytes());
        http::say(self.address, &raw)
    }

    /// Asks for a code; status and text.
    pub(crate) fn send(&self, phone: &str) -> (u16, String) {
        let response = self.say("GET", &format!("/otp/{phone}/"), &[], "");
        (response.status, response.text())
    }

    /// Shows a code; status and text.
    pub(crate) fn verify(&self, phone: &str, code: &str) -> (u16, String) {
        self.post(phone, &format!("{{\"code\": \"{code}\"}}"))
    }

    /// Posts a body; status and text.
    pub(crate) fn post(&self, phone: &str, body: &str) -> (u16, String) {
        let response = self.say("POST", &format!("/otp/{phone}/"), &[JSON], body);
        (response.status, response.text())
    }
}

/// A provider of SMS that takes everything.
pub(crate) fn provider() -> Provider {
    Provider::answering(Answer::ok())
}

/// The codes that a provider of SMS got, in order.
pub(crate) fn codes(provider: &Provider) -> Vec<String> {
    let code = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    let requests = provider.requests();
    let texts = requests
        .iter()
        .map(|request| code(&request.parameters()["Body"]));
    texts.collect()
}

/// The last code that a provider of SMS got.
pub(crate) fn last_code(provider: &Provider) -> String {
    codes(provider).pop().expect("a code")
}

/// A code that is not this one.
pub(crate) fn another(code: &str) -> String {
    let last = code.chars().last().expect("a code");
    let other = if last == '1' { '2' } else { '1' };
    format!("{}{other}", &code[..code.len() - 1])
}
