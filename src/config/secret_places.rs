//! Finds the secrets of a configuration, and the keys that have them.

use crate::config::configuration::Config;
use crate::config::secrets::PlacedSecret;
use crate::config::sections::incoming::auth::AuthScheme;
use crate::config::sections::incoming::interface::IncomingInterface;
use crate::config::sections::otp::{AccountSource, OtpChannel, OtpSettings};
use crate::config::syntax::entry::Entry;
use crate::config::syntax::keys::{self, Key};
use crate::config::syntax::reader;
use crate::secret::SecretSource;

/// The secrets of a configuration.
pub(crate) fn placed(config: &Config, entries: &[Entry]) -> Vec<PlacedSecret> {
    let mut secrets = Placed {
        entries,
        secrets: Vec::new(),
    };
    for outgoing in &config.outgoing {
        let source = outgoing.auth.secret();
        let index = outgoing.interface.as_str();
        secrets.add(&keys::websms::AUTH_PASSWD, index, source, false);
    }
    for incoming in &config.incoming {
        secrets.add_incoming(incoming);
    }
    if let Some(sak) = &config.sak {
        secrets.add(&keys::whatsapp::TOKEN, "", sak.token.as_ref(), false);
        secrets.add(&keys::whatsapp::USER_KEY, "", sak.user_key.as_ref(), false);
        let key = &keys::whatsapp::SESSION_KEY;
        secrets.add(key, "", sak.session_key.as_ref(), false);
    }
    if let Some(otp) = &config.otp {
        secrets.add_otp(otp);
    }
    secrets.secrets
}

struct Placed<'a> {
    entries: &'a [Entry],
    secrets: Vec<PlacedSecret>,
}

impl Placed<'_> {
    fn add(&mut self, key: &Key, index: &str, source: Option<&SecretSource>, admits: bool) {
        let index = (!index.is_empty()).then_some(index);
        self.secrets.extend(source.map(|source| PlacedSecret {
            place: reader::advice(self.entries, key, index, ""),
            source: source.clone(),
            admits,
        }));
    }

    fn add_incoming(&mut self, incoming: &IncomingInterface) {
        let index = incoming.interface.as_str();
        if let Some(auth) = &incoming.auth {
            let is_public = matches!(auth.scheme, AuthScheme::Ed25519 { .. });
            let names: [&Key; 2] = [&keys::websmsd::AUTH_SECRET, &keys::websmsd::AUTH_SECRET_OLD];
            for (key, source) in names.into_iter().zip(&auth.secrets) {
                self.add(key, index, Some(source).filter(|_| !is_public), true);
            }
        }
        // Who guesses this one gets an echo of what they send.
        let echo = incoming.echo_secret.as_ref().map(|echo| &echo.secret);
        self.add(&keys::websmsd::ECHO_SECRET, index, echo, false);
    }

    fn add_otp(&mut self, otp: &OtpSettings) {
        let token = otp.client_token.as_ref();
        self.add(&keys::otp::CLIENT_TOKEN, "", token, true);
        for channel in &otp.channels {
            let OtpChannel::Whatsapp(codes) = channel else {
                continue;
            };
            match &codes.account {
                AccountSource::File(path) => {
                    let file = SecretSource::File(path.clone());
                    self.add(&keys::otp::INFO_FILE, "", Some(&file), false);
                }
                AccountSource::Inline(account) => {
                    let token = Some(&account.access_token);
                    self.add(&keys::otp::ACCESS_TOKEN, "", token, false);
                }
            }
        }
        let key = &keys::otp::HASH_KEY;
        if reader::is_set(self.entries, key) {
            self.add(key, "", otp.hash_key.as_ref(), false);
        }
    }
}
