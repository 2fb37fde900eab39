//! The table of every key of `websms.conf`: its names, its default and who
//! may have one of it.
//!
//! `conf/REFERENCE.md` and `conf/websms.conf.sample` say the same to the
//! administrator; `tests/integration/docs.rs` compares all three.

use super::Section;

/// One key of the configuration file.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// The section it belongs to.
    pub section: Section,
    /// Its name in the first manual, and in this program's documents.
    pub name: &'static str,
    /// The name that later versions of the reference gave it.
    pub later_name: Option<&'static str>,
    /// What holds when the file does not give it, as it would be written
    /// there; empty means "not set".
    pub default: &'static str,
    /// Whether it describes one interface and so may carry an `[index]`.
    pub per_interface: bool,
    /// Whether its value is, or may hold, what must never be shown.
    pub secret: bool,
}

impl Key {
    const fn new(section: Section, name: &'static str, default: &'static str) -> Self {
        Self {
            section,
            name,
            later_name: None,
            default,
            per_interface: !matches!(section, Section::Astqueue),
            secret: false,
        }
    }

    const fn later(mut self, name: &'static str) -> Self {
        self.later_name = Some(name);
        self
    }

    const fn of_the_process(mut self) -> Self {
        self.per_interface = false;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Whether the file may call it `name`.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.later_name == Some(name)
    }
}

/// Keys of `[websms]`, the way out to the provider.
pub mod websms {
    use super::{Key, Section};

    const fn key(name: &'static str, default: &'static str) -> Key {
        Key::new(Section::Websms, name, default)
    }

    /// Scheme and host of the provider's API.
    pub const HOST: Key = key("host", "").later("url_host");
    /// Path of the provider's API.
    pub const PATH: Key = key("path", "/").later("url_path");
    /// Parameter that carries the destination number.
    pub const KEY_TO: Key = key("key_to", "To");
    /// Parameter that carries the originating number.
    pub const KEY_FROM: Key = key("key_from", "From");
    /// Parameter that carries the text.
    pub const KEY_BODY: Key = key("key_body", "Body");
    /// Parameter that carries the user, with `auth_method = plain`.
    pub const KEY_USER: Key = key("key_user", "");
    /// Parameter that carries the secret, with `auth_method = plain`.
    pub const KEY_SECRET: Key = key("key_secret", "");
    /// How the request says who sends it.
    pub const AUTH_METHOD: Key = key("auth_method", "basic");
    /// User, account or API key.
    pub const AUTH_USER: Key = key("auth_user", "").secret();
    /// Password, token or signing secret.
    pub const AUTH_PASSWD: Key = key("auth_passwd", "").later("auth_secret").secret();
    /// What the answer must hold to mean "sent".
    pub const RESPONSE_CHECK: Key = key("response_check", "").later("resp_check");
    /// How numbers are written in the request.
    pub const NUMBER_FORMAT: Key = key("number_format", "").later("val_numform");
    /// What is done about characters beyond U+FFFF.
    pub const CHARSET: Key = key("charset", "").later("val_unicode");
    /// Segments that a text may have; 0 means any number.
    pub const MAX_SEGMENTS: Key = key("max_segments", "0");
    /// Parameters that are always sent.
    pub const VAL_STATIC: Key = key("val_static", "").secret();
    /// Seconds for the whole exchange.
    pub const TIMEOUT: Key = key("timeout", "10");
    /// Seconds for name resolution, connection and TLS.
    pub const CONNECT_TIMEOUT: Key = key("connect_timeout", "5");
    /// Certificates of authorities to trust besides the system's.
    pub const CA_FILE: Key = key("ca_file", "");
    /// Who makes the request.
    pub const DELIVERY: Key = key("delivery", "direct");
    /// Directory in which messages wait for the provider.
    pub const OUTBOXDIR: Key = key("outboxdir", "/var/spool/asterisk/websms").of_the_process();
    /// Requests at a time.
    pub const CONCURRENCY: Key = key("concurrency", "8");
    /// Messages per second; 0 is as many as come.
    pub const RATE: Key = key("rate", "0");
    /// Seconds between the first attempts.
    pub const RETRY_MIN: Key = key("retry_min", "5");
    /// Longest wait between attempts in seconds.
    pub const RETRY_MAX: Key = key("retry_max", "300");
    /// Seconds for all attempts.
    pub const QUEUE_LIFETIME: Key = key("queue_lifetime", "14400");
    /// Number of attempts; 0 is as many as fit.
    pub const MAX_ATTEMPTS: Key = key("max_attempts", "0");
    /// Whether a message is sent again that may have been sent.
    pub const RETRY_UNKNOWN: Key = key("retry_unknown", "no");
    /// Parameter that carries the id of the message.
    pub const KEY_IDEMPOTENCY: Key = key("key_idempotency", "");
    /// Header that carries the id of the message.
    pub const HEADER_IDEMPOTENCY: Key = key("header_idempotency", "");
    /// Interface to try when this one fails.
    pub const FALLBACK: Key = key("fallback", "");
    /// What the sender is told of a message that was not sent.
    pub const NOTICE_FAILED: Key = key("notice_failed", "Not delivered to {to}: {reason}");
    /// What the sender is told of a message that may have been sent.
    pub const NOTICE_UNKNOWN: Key =
        key("notice_unknown", "Perhaps not delivered to {to}: {reason}");
}

/// Keys of `[websmsd]`, the way in from the provider.
pub mod websmsd {
    use super::{Key, Section};

    const fn key(name: &'static str, default: &'static str) -> Key {
        Key::new(Section::Websmsd, name, default)
    }

    /// Parameter that carries the destination number.
    pub const KEY_TO: Key = key("key_to", "To");
    /// Parameter that carries the originating number.
    pub const KEY_FROM: Key = key("key_from", "From");
    /// Parameter that carries the text.
    pub const KEY_BODY: Key = key("key_body", "Body");
    /// Field that carries the provider's id of the message.
    pub const KEY_ID: Key = key("key_id", "");
    /// Seconds for which such an id is remembered.
    pub const DEDUPE_TTL: Key = key("dedupe_ttl", "86400");
    /// Query parameter whose value is echoed to a provider that tests us.
    pub const KEY_ECHO: Key = key("key_echo", "");
    /// Accepted and not used, as in the reference.
    pub const KEY_ACCOUNT: Key = key("key_account", "");
    /// Body of the answer to an accepted message.
    pub const REPORT_SUCCESS: Key = key("report_success", "").later("resp_ack");
    /// Addresses that may post messages; not set means any.
    pub const PERMIT_ADDR: Key = key("permit_addr", "").later("remt_addr");
    /// Paths that messages may be posted to; not set means any.
    pub const REQUEST_URI: Key = key("request_uri", "").later("url_path");
    /// Addresses of proxies whose word about the client is believed.
    pub const PROXY_ADDR: Key = key("proxy_addr", "172.16.0.0/12")
        .later("prox_addr")
        .of_the_process();
    /// Header in which such a proxy names the client.
    pub const PROXY_HEADER: Key = key("proxy_header", "HTTP_X_FORWARDED_FOR")
        .later("prox_header")
        .of_the_process();
    /// Largest request body in bytes.
    pub const MAX_BODY: Key = key("max_body", "262144").of_the_process();
    /// Address and port at which health is told; not set means nowhere.
    pub const HEALTH_LISTEN: Key = key("health_listen", "").of_the_process();
    /// Address and port at which Asterisk is served by `FastAGI`; not set means
    /// nowhere.
    pub const AGI_LISTEN: Key = key("agi_listen", "").of_the_process();
}

/// Keys of `[astqueue]`, the call files.
pub mod astqueue {
    use super::{Key, Section};

    const fn key(name: &'static str, default: &'static str) -> Key {
        Key::new(Section::Astqueue, name, default)
    }

    /// Directory from which Asterisk takes call files.
    pub const OUTGOINGDIR: Key = key("outgoingdir", "/var/spool/asterisk/outgoing");
    /// Directory in which call files are written and wait.
    pub const STAGINGDIR: Key = key("stagingdir", "/var/spool/asterisk/staging");
    /// Seconds to wait for the Local leg to answer.
    pub const WAITTIME: Key = key("waittime", "45");
    /// Attempts after the first.
    pub const MAXRETRIES: Key = key("maxretries", "0");
    /// Seconds between attempts.
    pub const RETRYTIME: Key = key("retrytime", "300");
    /// Whether Asterisk keeps finished call files in `outgoing_done`.
    pub const ARCHIVE: Key = key("archive", "no");
    /// Context that answers the Local leg.
    pub const CHANNEL_CONTEXT: Key = key("channel_context", "default");
    /// Context that handles the text.
    pub const CONTEXT: Key = key("context", "default");
    /// Priority in that context.
    pub const PRIORITY: Key = key("priority", "1");
    /// How the text is encoded in the call file.
    pub const MESSAGE_ENCODE: Key = key("message_encode", "rfc3986");
    /// Files that Asterisk may have to do with at a time.
    pub const MAX_OUTGOING: Key = key("max_outgoing", "40");
    /// Bytes of text in one SIP MESSAGE.
    pub const MAX_TEXT: Key = key("max_text", "1000");
    /// Files that may wait in staging.
    pub const MAX_WAITING: Key = key("max_waiting", "100000");
    /// Bytes of the disk that stay free.
    pub const MIN_FREE: Key = key("min_free", "10485760");
    /// Directory in which Asterisk keeps finished call files.
    pub const DONEDIR: Key = key("donedir", "");
    /// Directory for what Asterisk gave up on.
    pub const FAILEDDIR: Key = key("faileddir", "");
    /// Seconds for which delivered call files are kept.
    pub const DONE_LIFETIME: Key = key("done_lifetime", "604800");
    /// Mode of call files, octal.
    pub const FILEMODE: Key = key("filemode", "0600");
    /// Owner of call files; not set means the owner of `outgoingdir`.
    pub const FILEOWNER: Key = key("fileowner", "");
}

/// Every key there is, in the order of the reference.
pub const ALL: &[&Key] = &[
    &websms::HOST,
    &websms::PATH,
    &websms::KEY_TO,
    &websms::KEY_FROM,
    &websms::KEY_BODY,
    &websms::KEY_USER,
    &websms::KEY_SECRET,
    &websms::AUTH_METHOD,
    &websms::AUTH_USER,
    &websms::AUTH_PASSWD,
    &websms::RESPONSE_CHECK,
    &websms::NUMBER_FORMAT,
    &websms::CHARSET,
    &websms::MAX_SEGMENTS,
    &websms::VAL_STATIC,
    &websms::TIMEOUT,
    &websms::CONNECT_TIMEOUT,
    &websms::CA_FILE,
    &websms::DELIVERY,
    &websms::OUTBOXDIR,
    &websms::CONCURRENCY,
    &websms::RATE,
    &websms::RETRY_MIN,
    &websms::RETRY_MAX,
    &websms::QUEUE_LIFETIME,
    &websms::MAX_ATTEMPTS,
    &websms::RETRY_UNKNOWN,
    &websms::KEY_IDEMPOTENCY,
    &websms::HEADER_IDEMPOTENCY,
    &websms::FALLBACK,
    &websms::NOTICE_FAILED,
    &websms::NOTICE_UNKNOWN,
    &websmsd::KEY_TO,
    &websmsd::KEY_FROM,
    &websmsd::KEY_BODY,
    &websmsd::KEY_ID,
    &websmsd::DEDUPE_TTL,
    &websmsd::KEY_ECHO,
    &websmsd::KEY_ACCOUNT,
    &websmsd::REPORT_SUCCESS,
    &websmsd::PERMIT_ADDR,
    &websmsd::REQUEST_URI,
    &websmsd::PROXY_ADDR,
    &websmsd::PROXY_HEADER,
    &websmsd::MAX_BODY,
    &websmsd::HEALTH_LISTEN,
    &websmsd::AGI_LISTEN,
    &astqueue::OUTGOINGDIR,
    &astqueue::STAGINGDIR,
    &astqueue::WAITTIME,
    &astqueue::MAXRETRIES,
    &astqueue::RETRYTIME,
    &astqueue::ARCHIVE,
    &astqueue::CHANNEL_CONTEXT,
    &astqueue::CONTEXT,
    &astqueue::PRIORITY,
    &astqueue::MESSAGE_ENCODE,
    &astqueue::MAX_OUTGOING,
    &astqueue::MAX_TEXT,
    &astqueue::MAX_WAITING,
    &astqueue::MIN_FREE,
    &astqueue::DONEDIR,
    &astqueue::FAILEDDIR,
    &astqueue::DONE_LIFETIME,
    &astqueue::FILEMODE,
    &astqueue::FILEOWNER,
];

/// The key that the file calls `name` in `section`.
#[must_use]
pub fn find(section: Section, name: &str) -> Option<&'static Key> {
    ALL.iter()
        .find(|key| key.section == section && key.is_called(name))
        .copied()
}
