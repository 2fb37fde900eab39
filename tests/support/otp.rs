//! A `websmsd` with one-time passwords, and requests to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::http::{self, JSON, Response};
use super::{Answer, Daemon, Provider, Spool};

/// A phone number without the plus.
pub(crate) const PHONE: &str = "15551234567";

pub(crate) struct OtpDaemon {
    pub(crate) daemon: Daemon,
    /// The listener of `[otp]`.
    pub(crate) address: SocketAddr,
    config: String,
}

impl OtpDaemon {
    /// Sends codes by SMS through a stand-in provider; `more` is added to `[otp]`.
    pub(crate) fn with_sms(provider: &Provider, more: &str) -> Self {
        let interface = format!(
            "[websms]\nhost = {}\nauth_user = id\nauth_passwd = secret-of-the-provider\n",
            provider.url()
        );
        let sms = "channel = sms\nsms_from = +12025550160\nsms_text = {code} for {minutes} min\n";
        Self::start(&interface, &format!("{sms}{more}"))
    }

    /// With the lines `before` the section `[otp]`, and `otp` in it.
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
        let address = daemon.logged_address("OTP endpoint listening");
        Self {
            daemon,
            address,
            config,
        }
    }

    /// Ends the daemon by this signal and starts it again.
    pub(crate) fn restart(self, signal: Signal) -> Self {
        let (spool, _, _) = self.daemon.end(signal);
        Self::with(spool, self.config)
    }

    /// Restarts the daemon with a changed configuration.
    pub(crate) fn restart_with(self, from: &str, to: &str) -> Self {
        assert!(self.config.contains(from), "{from}");
        let config = self.config.replace(from, to);
        let (spool, _, _) = self.daemon.end(Signal::SIGTERM);
        Self::with(spool, config)
    }

    /// Writes the port of the listener into the configuration, where `websms-otp`
    /// looks for it.
    pub(crate) fn with_port_in_config(self) -> Self {
        let listen = format!("listen = {}", self.address);
        let config = self.config.replace("listen = 127.0.0.1:0", &listen);
        std::fs::write(self.config_path(), config).unwrap();
        self
    }

    /// Restarts the daemon without `[otp]`.
    pub(crate) fn restart_without_otp(self) -> Daemon {
        let (before, rest) = self.config.split_once("[otp]").unwrap();
        let (_, after) = rest.split_once("[astqueue]").unwrap();
        let config = format!("{before}[astqueue]{after}");
        let (spool, _, _) = self.daemon.end(Signal::SIGTERM);
        Daemon::with(spool, &config)
    }

    /// Lets time pass, by changing the state files, which are read at each request.
    pub(crate) fn advance(&self, time: Duration) {
        let time = u64::try_from(time.as_millis()).unwrap();
        for file in std::fs::read_dir(self.directory()).unwrap() {
            let path = file.unwrap().path();
            let mut state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let earlier = |value: &mut Value| *value = (value.as_u64().unwrap() - time).into();
            for sent in state["sends"].as_array_mut().unwrap() {
                earlier(sent);
            }
            if let Some(code) = state["code"].as_object_mut() {
                earlier(&mut code["from"]);
                earlier(&mut code["until"]);
            }
            std::fs::write(&path, state.to_string()).unwrap();
        }
    }

    /// The directory of the state files.
    pub(crate) fn directory(&self) -> PathBuf {
        self.daemon.spool.path().join("otp")
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.daemon.spool.path().join("websms.conf")
    }

    pub(crate) fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let raw = http::request_to(self.address, method, target, headers, body.as_bytes());
        http::send(self.address, &raw)
    }

    /// Requests a code; status and body.
    pub(crate) fn send(&self, phone: &str) -> (u16, String) {
        let response = self.request("GET", &format!("/otp/{phone}/"), &[], "");
        (response.status, response.text())
    }

    /// Checks a code; status and body.
    pub(crate) fn verify(&self, phone: &str, code: &str) -> (u16, String) {
        self.post(phone, &format!("{{\"code\": \"{code}\"}}"))
    }

    /// Posts a body; status and body of the response.
    pub(crate) fn post(&self, phone: &str, body: &str) -> (u16, String) {
        let response = self.request("POST", &format!("/otp/{phone}/"), &[JSON], body);
        (response.status, response.text())
    }
}

/// An SMS provider that accepts everything.
pub(crate) fn sms_provider() -> Provider {
    Provider::answering(Answer::ok())
}

/// The codes that an SMS provider has received, in order.
pub(crate) fn received_codes(provider: &Provider) -> Vec<String> {
    let code = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    let requests = provider.requests();
    let texts = requests
        .iter()
        .map(|request| code(&request.parameters()["Body"]));
    texts.collect()
}

/// The last code that an SMS provider has received.
pub(crate) fn last_code(provider: &Provider) -> String {
    received_codes(provider).pop().expect("a code")
}

/// A code other than this one.
pub(crate) fn wrong_code(code: &str) -> String {
    let last = code.chars().last().expect("a code");
    let other = if last == '1' { '2' } else { '1' };
    format!("{}{other}", &code[..code.len() - 1])
}
