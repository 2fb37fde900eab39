//! The table of every key of `websms.conf`: its names, its default and who
//! may have one of it.
//!
//! `conf/REFERENCE.md` and `conf/websms.conf.sample` say the same to the
//! administrator; `tests/integration/docs.rs` compares all three.

use crate::config::syntax::section::Section;

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
    /// Whether it may be given on several lines, each of which counts.
    pub repeated: bool,
}

impl Key {
    const fn new(section: Section, name: &'static str, default: &'static str) -> Self {
        Self {
            section,
            name,
            later_name: None,
            default,
            per_interface: matches!(section, Section::Websms | Section::Websmsd),
            secret: false,
            repeated: false,
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

    const fn repeated(mut self) -> Self {
        self.repeated = true;
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
    use super::Key;
    use crate::config::syntax::section::Section;

    const fn key(name: &'static str, default: &'static str) -> Key {
        Key::new(Section::Websms, name, default)
    }

    /// Name of a preset, which gives the keys that the file does not.
    pub const PRESET: Key = key("preset", "");
    /// Directory with presets of one's own.
    pub const PRESETDIR: Key = key("presetdir", "/etc/asterisk/websms-presets").of_the_process();
    /// What the provider calls the account, for `{account}`.
    pub const ACCOUNT: Key = key("account", "");
    /// Scheme and host of the provider's API.
    pub const HOST: Key = key("host", "").later("url_host");
    /// Path of the provider's API.
    pub const PATH: Key = key("path", "/").later("url_path");
    /// Method of the request.
    pub const METHOD: Key = key("method", "POST");
    /// How the parameters are written.
    pub const BODY_TYPE: Key = key("body_type", "form");
    /// Content-Type, if not that of `body_type`.
    pub const CONTENT_TYPE: Key = key("content_type", "");
    /// A header line.
    pub const HEADER: Key = key("header", "").secret().repeated();
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
    /// Header that carries the secret, with `auth_method = header`.
    pub const AUTH_HEADER: Key = key("auth_header", "");
    /// What the answer must hold to mean "sent".
    pub const RESPONSE_CHECK: Key = key("response_check", "").later("resp_check");
    /// Where the answer says what the provider calls the message.
    pub const RESP_ID: Key = key("resp_id", "");
    /// Where an answer that is no success has its code.
    pub const RESP_ERROR: Key = key("resp_error", "");
    /// Where it says why in words.
    pub const RESP_REASON: Key = key("resp_reason", "");
    /// What a code means, in words.
    pub const REASON: Key = key("reason", "").repeated();
    /// Codes that mean that a message may be sent later.
    pub const RETRY_ON: Key = key("retry_on", "");
    /// Codes that are a matter for the fallback.
    pub const FALLBACK_ON: Key = key("fallback_on", "");
    /// How numbers are written in the request.
    pub const NUMBER_FORMAT: Key = key("number_format", "").later("val_numform");
    /// What the destination must look like.
    pub const TO_MATCH: Key = key("to_match", "");
    /// What is done about characters beyond U+FFFF.
    pub const CHARSET: Key = key("charset", "").later("val_unicode");
    /// Segments that a text may have; 0 means any number.
    pub const MAX_SEGMENTS: Key = key("max_segments", "0");
    /// Characters of one message; a longer text is sent as several. 0 is any.
    pub const MAX_CHARS: Key = key("max_chars", "0");
    /// Parameters that are always sent.
    pub const VAL_STATIC: Key = key("val_static", "").secret();
    /// More of them, beside those of a preset.
    pub const VAL_EXTRA: Key = key("val_extra", "").secret();
    /// Parameters that are sent with a text that GSM-7 cannot hold.
    pub const VAL_UCS2: Key = key("val_ucs2", "").secret();
    /// Parameter that carries the URL of a picture.
    pub const KEY_MEDIA: Key = key("key_media", "");
    /// Parameter that carries the text beside a picture.
    pub const KEY_CAPTION: Key = key("key_caption", "");
    /// Pictures of one message.
    pub const MEDIA_MOST: Key = key("media_most", "10");
    /// Path for messages with a picture.
    pub const PATH_MEDIA: Key = key("path_media", "");
    /// Whether the picture itself is sent, and not its URL.
    pub const MEDIA_UPLOAD: Key = key("media_upload", "no");
    /// Path to which it is sent before the message, which then has its id.
    pub const PATH_UPLOAD: Key = key("path_upload", "");
    /// Field of the file there.
    pub const KEY_UPLOAD: Key = key("key_upload", "file");
    /// Other fields there.
    pub const VAL_UPLOAD: Key = key("val_upload", "");
    /// Where the answer has the id of the file.
    pub const RESP_UPLOAD: Key = key("resp_upload", "/id");
    /// Private addresses that pictures may be fetched from for that.
    pub const MEDIA_PERMIT_ADDR: Key = key("media_permit_addr", "");
    /// Extensions of URLs that are sent as pictures.
    pub const MEDIA_OUT: Key = key("media_out", "");
    /// Parameters that are sent with a picture.
    pub const VAL_MEDIA: Key = key("val_media", "").secret();
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
    /// Which interface takes a message that names none.
    pub const REPLY_INDEX: Key = key("reply_index", "first").of_the_process();
    /// Interface to try when this one fails.
    pub const FALLBACK: Key = key("fallback", "");
    /// What the sender is told of a message that was not sent.
    pub const NOTICE_FAILED: Key = key("notice_failed", "Not delivered to {to}: {reason}");
    /// What the sender is told of a message that may have been sent.
    pub const NOTICE_UNKNOWN: Key =
        key("notice_unknown", "Perhaps not delivered to {to}: {reason}");
    /// What the sender is told of a message that the provider could not deliver.
    pub const NOTICE_UNDELIVERED: Key =
        key("notice_undelivered", "Not delivered to {to}: {reason}");
    /// Seconds for which a sent message is kept for its receipt; 0 is not.
    pub const RECEIPT_TTL: Key = key("receipt_ttl", "259200");
}

/// Keys of `[websmsd]`, the way in from the provider.
pub mod websmsd {
    use super::Key;
    use crate::config::syntax::section::Section;

    const fn key(name: &'static str, default: &'static str) -> Key {
        Key::new(Section::Websmsd, name, default)
    }

    /// Name of a preset, which gives the keys that the file does not.
    pub const PRESET: Key = key("preset", "");
    /// Methods by which messages are taken.
    pub const METHOD: Key = key("method", "POST");
    /// Where the destination number is.
    pub const KEY_TO: Key = key("key_to", "To");
    /// Where the originating number is.
    pub const KEY_FROM: Key = key("key_from", "From");
    /// Where the text is.
    pub const KEY_BODY: Key = key("key_body", "Body");
    /// Where the provider's id of the message is.
    pub const KEY_ID: Key = key("key_id", "");
    /// Where URLs of pictures are.
    pub const KEY_MEDIA: Key = key("key_media", "");
    /// What a request must hold to be a message.
    pub const MATCH: Key = key("match", "").repeated();
    /// What makes a request none.
    pub const IGNORE: Key = key("ignore", "").repeated();
    /// How the text is encoded.
    pub const DECODE: Key = key("decode", "none");
    /// How numbers are written for the dialplan.
    pub const NUMBER_FORMAT: Key = key("number_format", "").later("val_numform");
    /// Seconds for which the id of a message is remembered.
    pub const DEDUPE_TTL: Key = key("dedupe_ttl", "86400");
    /// Query parameter whose value is echoed to a provider that tests us.
    pub const KEY_ECHO: Key = key("key_echo", "");
    /// Query parameter that must hold `echo_secret`.
    pub const KEY_ECHO_SECRET: Key = key("key_echo_secret", "");
    /// What such a provider must know.
    pub const ECHO_SECRET: Key = key("echo_secret", "").secret();
    /// Accepted and not used, as in the reference.
    pub const KEY_ACCOUNT: Key = key("key_account", "");
    /// Body of the answer to an accepted message.
    pub const REPORT_SUCCESS: Key = key("report_success", "").later("resp_ack");
    /// Content-Type of that answer; not set means what it looks like.
    pub const RESP_TYPE: Key = key("resp_type", "");
    /// Status of that answer.
    pub const RESP_CODE: Key = key("resp_code", "200");
    /// How a request shows that it is the provider's.
    pub const AUTH: Key = key("auth", "none");
    /// User name, with `auth = basic`.
    pub const AUTH_USER: Key = key("auth_user", "").secret();
    /// Password, token or key.
    pub const AUTH_SECRET: Key = key("auth_secret", "").secret();
    /// Another one that is accepted besides.
    pub const AUTH_SECRET_OLD: Key = key("auth_secret_old", "").secret();
    /// Where the token or the signature is.
    pub const AUTH_PLACE: Key = key("auth_place", "");
    /// Digest of the signature.
    pub const AUTH_ALGORITHM: Key = key("auth_algorithm", "sha256");
    /// How the signature is written.
    pub const AUTH_ENCODING: Key = key("auth_encoding", "hex");
    /// What stands before it.
    pub const AUTH_PREFIX: Key = key("auth_prefix", "");
    /// What is signed.
    pub const AUTH_TEMPLATE: Key = key("auth_template", "{body}");
    /// Where the time of signing is.
    pub const AUTH_TIMESTAMP: Key = key("auth_timestamp", "");
    /// Where the nonce is.
    pub const AUTH_NONCE: Key = key("auth_nonce", "");
    /// Seconds that the time of signing may be off; 0 is any.
    pub const AUTH_MAX_AGE: Key = key("auth_max_age", "300");
    /// URL under which the provider reaches this program.
    pub const PUBLIC_URL: Key = key("public_url", "");
    /// What a request must hold to be a delivery receipt.
    pub const RECEIPT_MATCH: Key = key("receipt_match", "").repeated();
    /// Where a receipt names the message.
    pub const RECEIPT_ID: Key = key("receipt_id", "");
    /// Where it says what became of it.
    pub const RECEIPT_STATUS: Key = key("receipt_status", "");
    /// Words that mean delivered.
    pub const RECEIPT_DELIVERED: Key = key("receipt_delivered", "");
    /// Words that mean undelivered.
    pub const RECEIPT_FAILED: Key = key("receipt_failed", "");
    /// Where it says why.
    pub const RECEIPT_REASON: Key = key("receipt_reason", "");
    /// Where a receipt has the code of an error.
    pub const RECEIPT_ERROR: Key = key("receipt_error", "");
    /// What is done about pictures.
    pub const MEDIA: Key = key("media", "link");
    /// URL that says where a picture is that has but an id.
    pub const MEDIA_LOOKUP: Key = key("media_lookup", "");
    /// Hosts that get the account's credentials when pictures are fetched.
    pub const MEDIA_HOSTS: Key = key("media_hosts", "");
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
    /// Directory for pictures.
    pub const MEDIA_DIR: Key = key("media_dir", "").of_the_process();
    /// URL of that directory.
    pub const MEDIA_URL: Key = key("media_url", "").of_the_process();
    /// Extensions of pictures and other files that are fetched.
    pub const MEDIA_TYPES: Key = key(
        "media_types",
        "jpg,jpeg,png,gif,webp,heic,mp4,3gp,mp3,amr,ogg,m4a,pdf,vcf",
    )
    .of_the_process();
    /// Largest of them in bytes.
    pub const MEDIA_MAX: Key = key("media_max", "10485760").of_the_process();
    /// Seconds for which they are kept.
    pub const MEDIA_LIFETIME: Key = key("media_lifetime", "2592000").of_the_process();
    /// Private addresses that may be fetched from.
    pub const MEDIA_PERMIT_ADDR: Key = key("media_permit_addr", "").of_the_process();
}

/// Keys of `[astqueue]`, the call files.
pub mod astqueue {
    use super::Key;
    use crate::config::syntax::section::Section;

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

/// Keys of `[whatsapp]`, the account at a WhatsApp gateway.
pub mod whatsapp {
    use super::Key;
    use crate::config::syntax::section::Section;

    const fn key(name: &'static str, default: &'static str) -> Key {
        Key::new(Section::Whatsapp, name, default)
    }

    /// Base URL of the gateway's API.
    pub const URL: Key = key("url", "");
    /// What `whatsapp login` gets.
    pub const TOKEN: Key = key("token", "").secret();
    /// API key of the user.
    pub const USER_KEY: Key = key("user_key", "").secret();
    /// API key of the session.
    pub const SESSION_KEY: Key = key("session_key", "").secret();
    /// The session.
    pub const SESSION: Key = key("session", "");
    /// Bound of a whole request in seconds.
    pub const TIMEOUT: Key = key("timeout", "30");
    /// PEM file with authorities to trust besides the system's.
    pub const CA_FILE: Key = key("ca_file", "");
}

/// Keys of `[otp]`, one-time passwords.
pub mod otp {
    use super::Key;
    use crate::config::syntax::section::Section;

    const fn key(name: &'static str, default: &'static str) -> Key {
        Key::new(Section::Otp, name, default)
    }

    /// Where it is asked for.
    pub const LISTEN: Key = key("listen", "127.0.0.1:3000");
    /// Addresses that may ask.
    pub const PERMIT_ADDR: Key = key("permit_addr", "127.0.0.0/8,::1");
    /// What whoever asks must show.
    pub const CLIENT_TOKEN: Key = key("client_token", "").secret();
    /// Ways by which a code goes out.
    pub const CHANNEL: Key = key("channel", "whatsapp");
    /// Digits of a code.
    pub const CODE_LENGTH: Key = key("code_length", "6");
    /// How long a code counts, in seconds.
    pub const LIFETIME: Key = key("lifetime", "300");
    /// Wrong codes after which the right one does not count any more.
    pub const MAX_ATTEMPTS: Key = key("max_attempts", "3");
    /// Codes for one phone in an hour.
    pub const PER_PHONE: Key = key("per_phone", "5");
    /// Codes that one client may have sent in an hour.
    pub const PER_CLIENT: Key = key("per_client", "100");
    /// Directory with codes that count.
    pub const OTPDIR: Key = key("otpdir", "/var/spool/asterisk/otp");
    /// Key that codes are hashed with.
    pub const HASH_KEY: Key = key("hash_key", "").secret();
    /// The four values of the account, as JSON.
    pub const INFO_FILE: Key = key("info_file", "");
    /// `WhatsApp` Business Account.
    pub const WABA_ID: Key = key("waba_id", "");
    /// Its access token.
    pub const ACCESS_TOKEN: Key = key("access_token", "").secret();
    /// The number that codes come from.
    pub const PHONE_NUMBER_ID: Key = key("phone_number_id", "");
    /// The template that codes come in.
    pub const TEMPLATE_ID: Key = key("template_id", "");
    /// Base URL of the Graph API.
    pub const API_URL: Key = key("api_url", "https://graph.facebook.com");
    /// Its version.
    pub const API_VERSION: Key = key("api_version", "v25.0");
    /// Interface of `[websms]` by which SMS go.
    pub const SMS_INDEX: Key = key("sms_index", "");
    /// The number that SMS come from.
    pub const SMS_FROM: Key = key("sms_from", "");
    /// What an SMS says.
    pub const SMS_TEXT: Key = key("sms_text", "{code} is your verification code.");
    /// Bound of a whole request in seconds.
    pub const TIMEOUT: Key = key("timeout", "10");
    /// PEM file with authorities to trust besides the system's.
    pub const CA_FILE: Key = key("ca_file", "");
}

/// Every key there is, in the order of the reference.
pub const ALL: &[&Key] = &[
    &websms::PRESET,
    &websms::PRESETDIR,
    &websms::ACCOUNT,
    &websms::HOST,
    &websms::PATH,
    &websms::METHOD,
    &websms::BODY_TYPE,
    &websms::CONTENT_TYPE,
    &websms::HEADER,
    &websms::KEY_TO,
    &websms::KEY_FROM,
    &websms::KEY_BODY,
    &websms::KEY_USER,
    &websms::KEY_SECRET,
    &websms::AUTH_METHOD,
    &websms::AUTH_USER,
    &websms::AUTH_PASSWD,
    &websms::AUTH_HEADER,
    &websms::RESPONSE_CHECK,
    &websms::RESP_ID,
    &websms::RESP_ERROR,
    &websms::RESP_REASON,
    &websms::REASON,
    &websms::RETRY_ON,
    &websms::FALLBACK_ON,
    &websms::NUMBER_FORMAT,
    &websms::TO_MATCH,
    &websms::CHARSET,
    &websms::MAX_SEGMENTS,
    &websms::MAX_CHARS,
    &websms::VAL_STATIC,
    &websms::VAL_EXTRA,
    &websms::VAL_UCS2,
    &websms::KEY_MEDIA,
    &websms::KEY_CAPTION,
    &websms::MEDIA_MOST,
    &websms::PATH_MEDIA,
    &websms::MEDIA_UPLOAD,
    &websms::PATH_UPLOAD,
    &websms::KEY_UPLOAD,
    &websms::VAL_UPLOAD,
    &websms::RESP_UPLOAD,
    &websms::MEDIA_PERMIT_ADDR,
    &websms::MEDIA_OUT,
    &websms::VAL_MEDIA,
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
    &websms::REPLY_INDEX,
    &websms::FALLBACK,
    &websms::NOTICE_FAILED,
    &websms::NOTICE_UNKNOWN,
    &websms::NOTICE_UNDELIVERED,
    &websms::RECEIPT_TTL,
    &websmsd::PRESET,
    &websmsd::METHOD,
    &websmsd::KEY_TO,
    &websmsd::KEY_FROM,
    &websmsd::KEY_BODY,
    &websmsd::KEY_ID,
    &websmsd::KEY_MEDIA,
    &websmsd::MATCH,
    &websmsd::IGNORE,
    &websmsd::DECODE,
    &websmsd::NUMBER_FORMAT,
    &websmsd::DEDUPE_TTL,
    &websmsd::KEY_ECHO,
    &websmsd::KEY_ECHO_SECRET,
    &websmsd::ECHO_SECRET,
    &websmsd::KEY_ACCOUNT,
    &websmsd::REPORT_SUCCESS,
    &websmsd::RESP_TYPE,
    &websmsd::RESP_CODE,
    &websmsd::AUTH,
    &websmsd::AUTH_USER,
    &websmsd::AUTH_SECRET,
    &websmsd::AUTH_SECRET_OLD,
    &websmsd::AUTH_PLACE,
    &websmsd::AUTH_ALGORITHM,
    &websmsd::AUTH_ENCODING,
    &websmsd::AUTH_PREFIX,
    &websmsd::AUTH_TEMPLATE,
    &websmsd::AUTH_TIMESTAMP,
    &websmsd::AUTH_NONCE,
    &websmsd::AUTH_MAX_AGE,
    &websmsd::PUBLIC_URL,
    &websmsd::RECEIPT_MATCH,
    &websmsd::RECEIPT_ID,
    &websmsd::RECEIPT_STATUS,
    &websmsd::RECEIPT_DELIVERED,
    &websmsd::RECEIPT_FAILED,
    &websmsd::RECEIPT_REASON,
    &websmsd::RECEIPT_ERROR,
    &websmsd::MEDIA,
    &websmsd::MEDIA_LOOKUP,
    &websmsd::MEDIA_HOSTS,
    &websmsd::PERMIT_ADDR,
    &websmsd::REQUEST_URI,
    &websmsd::PROXY_ADDR,
    &websmsd::PROXY_HEADER,
    &websmsd::MAX_BODY,
    &websmsd::HEALTH_LISTEN,
    &websmsd::AGI_LISTEN,
    &websmsd::MEDIA_DIR,
    &websmsd::MEDIA_URL,
    &websmsd::MEDIA_TYPES,
    &websmsd::MEDIA_MAX,
    &websmsd::MEDIA_LIFETIME,
    &websmsd::MEDIA_PERMIT_ADDR,
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
    &whatsapp::URL,
    &whatsapp::TOKEN,
    &whatsapp::USER_KEY,
    &whatsapp::SESSION_KEY,
    &whatsapp::SESSION,
    &whatsapp::TIMEOUT,
    &whatsapp::CA_FILE,
    &otp::LISTEN,
    &otp::PERMIT_ADDR,
    &otp::CLIENT_TOKEN,
    &otp::CHANNEL,
    &otp::CODE_LENGTH,
    &otp::LIFETIME,
    &otp::MAX_ATTEMPTS,
    &otp::PER_PHONE,
    &otp::PER_CLIENT,
    &otp::OTPDIR,
    &otp::HASH_KEY,
    &otp::INFO_FILE,
    &otp::WABA_ID,
    &otp::ACCESS_TOKEN,
    &otp::PHONE_NUMBER_ID,
    &otp::TEMPLATE_ID,
    &otp::API_URL,
    &otp::API_VERSION,
    &otp::SMS_INDEX,
    &otp::SMS_FROM,
    &otp::SMS_TEXT,
    &otp::TIMEOUT,
    &otp::CA_FILE,
];

/// The key that the file calls `name` in `section`.
#[must_use]
pub fn find(section: Section, name: &str) -> Option<&'static Key> {
    ALL.iter()
        .find(|key| key.section == section && key.is_called(name))
        .copied()
}
