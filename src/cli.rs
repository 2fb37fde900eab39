//! The command line: its syntax and nothing else.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};
use reqwest::Url;

use crate::config::{self, Identifier, SessionId};
use crate::model::id::Id;
use crate::otp::meta::TemplateKind;
use crate::secret::SecretSource;

/// Messaging bridge between Asterisk and the HTTP APIs of SMS providers.
#[derive(Debug, Parser)]
#[command(name = "asterisk-websms", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send one message to the provider; what Asterisk calls by AGI
    Websms(WebsmsOptions),
    /// Take messages from providers and hand them to Asterisk
    Websmsd(WebsmsdOptions),
    /// Show, retry and drop messages that wait, are on their way or were given up
    Queue(QueueOptions),
    /// Look after the account at a WhatsApp gateway: log in, connect phones
    Whatsapp(WhatsappOptions),
    /// Send and check one-time passwords, and set them up at WhatsApp
    Otp(OtpOptions),
    /// Say what is wrong with configuration and spool, and how to mend it
    Check(CheckOptions),
    /// List the providers that are known by name, or show the keys of one
    Presets(PresetsOptions),
    /// Show one message each way on this machine, without account or Asterisk
    Demo,
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct Configured {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "WEBSMS_CONF", default_value = config::DEFAULT_PATH)]
    pub config: PathBuf,
}

/// `websms`: one outgoing message.
#[derive(Debug, Args)]
#[command(override_usage = "websms [--config FILE] [--] TO FROM BODY [INDEX [ENCODING]]")]
pub struct WebsmsOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub configured: Configured,
    /// Their number, our number, the text; the interface to send it by (the
    /// first if empty); base64 if FROM and BODY are encoded in it
    #[arg(
        value_name = "TO FROM BODY [INDEX [ENCODING]]",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub arguments: Vec<OsString>,
}

/// `websmsd`: the daemon.
#[derive(Debug, Args)]
pub struct WebsmsdOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub configured: Configured,
    /// Address and port to listen on; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Port to listen on, on all IPv4 addresses, unless --listen is given
    #[arg(long, value_name = "PORT", env = "WEBSMSD_PORT", default_value_t = 80)]
    pub port: u16,
}

/// `presets`: what is known of providers.
#[derive(Debug, Args)]
pub struct PresetsOptions {
    /// Where the configuration is, which may name a directory of own presets.
    #[command(flatten)]
    pub configured: Configured,
    /// What to show; without it, all by name.
    #[command(subcommand)]
    pub action: Option<PresetsAction>,
}

/// What to show of presets.
#[derive(Debug, Subcommand)]
pub enum PresetsAction {
    /// Print a preset: the steps at the provider's site and the keys, ready to edit
    Show {
        /// Its name
        name: String,
    },
}

/// `check`: what is wrong.
#[derive(Debug, Args)]
pub struct CheckOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub configured: Configured,
    /// Look at the file alone and not at the spool, keys and certificates
    #[arg(long)]
    pub file_only: bool,
}

/// `queue`: messages on their way to phones and providers.
#[derive(Debug, Args)]
pub struct QueueOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub configured: Configured,
    /// What to do.
    #[command(subcommand)]
    pub action: QueueAction,
}

/// What to do with messages on their way.
#[derive(Debug, Subcommand)]
pub enum QueueAction {
    /// List everything there is
    List,
    /// Show one message, its text and what became of it
    Show {
        /// The message, as `queue list` and the log name it
        id: Id,
    },
    /// Try again what was given up, or now what waits for its next attempt
    Retry {
        /// The message, as `queue list` and the log name it
        #[arg(required_unless_present = "all")]
        id: Option<Id>,
        /// Everything that was given up
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
    /// Remove a message for good
    Drop {
        /// The message, as `queue list` and the log name it
        id: Id,
    },
}

/// `whatsapp`: the account at a gateway.
#[derive(Debug, Args)]
pub struct WhatsappOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub configured: Configured,
    /// What to do.
    #[command(subcommand)]
    pub action: WhatsappAction,
}

/// What to do with the account at a gateway.
#[derive(Debug, Subcommand)]
pub enum WhatsappAction {
    /// Get a token for the password that is typed, or read from stdin
    Login {
        /// Who logs in
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        email: String,
    },
    /// Make, show, connect and delete sessions; each is a phone
    Session {
        /// What to do.
        #[command(subcommand)]
        act: SessionAction,
    },
    /// Say where messages are posted to, and try it
    Webhook {
        /// What to do.
        #[command(subcommand)]
        act: WebhookAction,
    },
    /// Make and list keys of the user, which need no login
    ApiKey {
        /// What to do.
        #[command(subcommand)]
        act: ApiKeyAction,
    },
    /// List messages that the gateway has recorded
    History {
        /// Those of this session, in place of the configured one
        #[arg(long, value_name = "ID")]
        session: Option<SessionId>,
        /// How many at most
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// How many to pass over
        #[arg(long, default_value_t = 0)]
        offset: u32,
    },
    /// Say whether the gateway is there and well
    Health,
}

/// What to do with sessions. Where an id may be left out, the configured session
/// is meant, or the only one that there is.
#[derive(Debug, Subcommand)]
pub enum SessionAction {
    /// Make a session, and print its keys as lines for websms.conf, once
    Create {
        /// What to call it
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// URL that messages shall be posted to
        #[arg(long, value_name = "URL", value_parser = web_url)]
        webhook: Option<String>,
    },
    /// List all sessions
    List,
    /// Show one, and whether its phone is connected
    Status {
        /// Which
        id: Option<SessionId>,
    },
    /// Show the code that the phone scans, until it has done so
    Qr(SessionQr),
    /// Disconnect the phone and delete the session, with its keys
    Delete {
        /// Which; it must be named
        id: SessionId,
    },
}

/// `whatsapp session qr`: a code to scan.
#[derive(Debug, Args)]
pub struct SessionQr {
    /// Which session
    pub id: Option<SessionId>,
    /// Write the code into this picture, in place of drawing it
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// Write the code into this picture, in place of drawing it
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Seconds to wait for the phone
    #[arg(long, value_name = "SECONDS", default_value_t = 180,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub wait: u64,
}

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
pub enum WebhookAction {
    /// Have messages posted to a URL, and print the secret that signs them, once
    #[command(allow_missing_positional = true)]
    Register {
        /// Those of which session
        session: Option<SessionId>,
        /// Where to
        #[arg(value_parser = web_url)]
        url: String,
    },
    /// Have a message posted that nobody wrote
    Test {
        /// That of which session
        session: Option<SessionId>,
    },
}

/// What to do with keys of the user.
#[derive(Debug, Subcommand)]
pub enum ApiKeyAction {
    /// Make a key, and print it as a line for websms.conf, once
    Create {
        /// What to call it
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
    /// List all keys, without what they are
    List,
}

/// `otp`: one-time passwords.
#[derive(Debug, Args)]
pub struct OtpOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub configured: Configured,
    /// What to do.
    #[command(subcommand)]
    pub action: OtpAction,
}

/// What to do about one-time passwords.
#[derive(Debug, Subcommand)]
pub enum OtpAction {
    /// Have websmsd send a code to a phone; what Asterisk calls by AGI
    Send {
        /// Its number, with the country code
        #[arg(allow_hyphen_values = true)]
        phone: OsString,
    },
    /// Ask websmsd whether this is the code that was sent; what Asterisk calls by AGI
    Verify {
        /// The number of the phone
        #[arg(allow_hyphen_values = true)]
        phone: OsString,
        /// What was typed
        #[arg(allow_hyphen_values = true)]
        code: OsString,
    },
    /// Get what codes need at Meta: a number and a template; asks for what is not known
    Setup(Box<OtpSetup>),
}

/// `otp setup`: an account at Meta that codes go out by. What is neither given
/// here nor known from the configuration is asked for.
#[derive(Debug, Args)]
pub struct OtpSetup {
    /// WhatsApp Business Account
    #[arg(long, value_name = "ID")]
    pub waba_id: Option<Identifier>,
    /// Where its access token is.
    #[arg(long, value_name = "SOURCE", value_parser = SecretSource::parse,
          help = "Where its access token is: file:/path or env:NAME")]
    pub token: Option<SecretSource>,
    /// Number that codes come from
    #[arg(long, value_name = "ID")]
    pub phone_number_id: Option<Identifier>,
    /// What to call the template.
    #[arg(long, value_name = "NAME", value_parser = template_name,
          help = "What to call the template [default: otp_both_copycode, or otp_both_onetap]")]
    pub template: Option<String>,
    /// Language of the template
    #[arg(long, value_name = "CODE", default_value = "en_US", value_parser = language)]
    pub language: String,
    /// Hand the code to this app for Android, in place of having it copied
    #[arg(long, value_name = "PACKAGE=HASH", value_parser = one_tap)]
    pub one_tap: Option<TemplateKind>,
    /// Make a template even if there is one
    #[arg(long)]
    pub new_template: bool,
    /// Seconds to wait until Meta has approved the template
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub wait: u64,
    /// Where to write the account.
    #[arg(
        long,
        value_name = "FILE",
        help = "Where to write the account [default: info_file of [otp], or \
                  whatsapp-info.json beside the configuration]"
    )]
    pub info: Option<PathBuf>,
}

/// A name that Meta takes for a template.
fn template_name(raw: &str) -> Result<String, String> {
    const MAX: usize = 512;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=MAX).contains(&raw.len()) && raw.bytes().all(allowed) {
        return Ok(raw.to_owned());
    }
    Err("not a name of a template (expected small letters, digits and _)".to_owned())
}

/// A language as Meta writes it.
fn language(raw: &str) -> Result<String, String> {
    let (language, country) = raw.split_once('_').unwrap_or((raw, "XX"));
    let small = language.bytes().all(|byte| byte.is_ascii_lowercase());
    let large = country.bytes().all(|byte| byte.is_ascii_uppercase());
    if small && large && (2..=3).contains(&language.len()) && (2..=3).contains(&country.len()) {
        return Ok(raw.to_owned());
    }
    Err("not a language of templates (expected e.g. en_US, de or fil)".to_owned())
}

/// An app for Android, and the hash of the key that it is signed with.
fn one_tap(raw: &str) -> Result<TemplateKind, String> {
    const HASH: usize = 11;
    const EXPECTED: &str = "expected PACKAGE=HASH, e.g. com.example.app=K8a/AINcGX7";
    let (package, hash) = raw.split_once('=').ok_or(EXPECTED)?;
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let segment = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic()) && part.bytes().all(word)
    };
    if !package.contains('.') || !package.split('.').all(segment) {
        return Err(format!(
            "{package:?} is not an app for Android ({EXPECTED})"
        ));
    }
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    if hash.len() != HASH || !hash.bytes().all(base64) {
        return Err(format!(
            "{hash:?} is not the hash of an app, which has {HASH} characters ({EXPECTED})"
        ));
    }
    Ok(TemplateKind::OneTap {
        package_name: package.to_owned(),
        signature_hash: hash.to_owned(),
    })
}

/// A URL that something can be posted to.
fn web_url(raw: &str) -> Result<String, String> {
    let url = Url::parse(raw).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https"))
        .map(|_| raw.to_owned())
        .ok_or_else(|| "not a URL (expected e.g. https://sms.example.com/hook)".to_owned())
}

/// Names of symlinks, and the subcommands that they are for.
const APPLETS: [(&str, &str); 3] = [
    ("websms", "websms"),
    ("websmsd", "websmsd"),
    ("websms-otp", "otp"),
];

/// The command line as if the subcommand had been named, which a symlink does
/// with its own name: `websms`, `websmsd`, and `websms.php` as in old
/// dialplans.
///
/// Under `agi` everything behind `websms`, and behind the word that follows
/// `websms-otp`, is data: the values come from telephones, and none of them may be
/// an option.
pub fn arguments(given: impl IntoIterator<Item = OsString>, agi: bool) -> Vec<OsString> {
    let mut given = given.into_iter();
    let program = given.next().unwrap_or_default();
    let stem = Path::new(&program).file_stem();
    let applet = APPLETS
        .iter()
        .find(|(name, _)| Some(OsStr::new(name)) == stem)
        .map(|(_, subcommand)| OsString::from(subcommand));
    let subcommand = applet.or_else(|| given.next());
    let is = |name: &str| agi && subcommand.as_deref() == Some(OsStr::new(name));
    let act = if is("otp") { given.next() } else { None };
    let dashes = (is("websms") || is("otp")).then(|| OsString::from("--"));
    let program = OsString::from("asterisk-websms");
    std::iter::once(program)
        .chain(subcommand)
        .chain(act)
        .chain(dashes)
        .chain(given)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(line: &[&str], agi: bool) -> Cli {
        let given = line.iter().map(OsString::from);
        Cli::try_parse_from(arguments(given, agi)).unwrap()
    }

    fn websms(line: &[&str], agi: bool) -> WebsmsOptions {
        match parse(line, agi).command {
            Command::Websms(websms) => websms,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn syntax_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn symlink_is_its_subcommand() {
        for program in ["/usr/local/bin/websms", "websms", "/agi-bin/websms.php"] {
            assert_eq!(
                websms(&[program, "1", "2", "x"], false).arguments,
                ["1", "2", "x"]
            );
        }
        let line = ["/usr/bin/asterisk-websms", "websms", "1", "2", "x"];
        assert_eq!(websms(&line, false).arguments, ["1", "2", "x"]);
        let daemon = parse(&["websmsd", "--listen", "127.0.0.1:0"], false).command;
        assert!(matches!(daemon, Command::Websmsd(_)));
    }

    #[test]
    fn options_stand_before_the_message() {
        let line = [
            "websms",
            "--config",
            "/x",
            "1",
            "2",
            "--config=/y",
            "--help",
        ];
        let read = websms(&line, false);
        assert_eq!(read.configured.config, Path::new("/x"));
        assert_eq!(read.arguments, ["1", "2", "--config=/y", "--help"]);
        let read = websms(&["websms", "--", "-1", "-2", "-3"], false);
        assert_eq!(read.arguments, ["-1", "-2", "-3"]);
        let read = websms(&["websms", "-1", "-2", "-3"], false);
        assert_eq!(read.arguments, ["-1", "-2", "-3"]);
    }

    #[test]
    fn under_agi_nothing_of_a_caller_is_an_option() {
        for given in ["--config=/x", "--help", "-h", "", "15551234567"] {
            let line = ["websms-otp", "verify", given, "--version"];
            match parse(&line, true).command {
                Command::Otp(OtpOptions { action: act, .. }) => assert!(
                    matches!(&act, OtpAction::Verify { phone, code }
                        if phone == given && code == "--version"),
                    "{act:?}"
                ),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn templates_are_described_as_meta_takes_them() {
        for (good, bad) in [("otp_2", "Otp"), ("a", ""), ("0_", "a-b")] {
            assert!(template_name(good).is_ok() && template_name(bad).is_err());
        }
        for (good, bad) in [("en_US", "en-US"), ("fil", "EN"), ("de", "en_")] {
            assert!(
                language(good).is_ok() && language(bad).is_err(),
                "{good} {bad}"
            );
        }
        let Ok(TemplateKind::OneTap { signature_hash, .. }) =
            one_tap("com.example.app=K8a/AINcGX=")
        else {
            panic!("it is one");
        };
        assert_eq!(signature_hash, "K8a/AINcGX=");
        for bad in [
            "com.example.app",
            "app=K8a/AINcGX7",
            "a.b=short",
            "a.1b=K8a/AINcGX7",
        ] {
            assert!(one_tap(bad).unwrap_err().contains("PACKAGE=HASH"), "{bad}");
        }
    }

    #[test]
    fn under_agi_nothing_is_an_option() {
        for first in ["--config", "--config=/y", "--help", "-h", "-x", "1"] {
            let read = websms(&["websms", first, "2", "x"], true);
            assert_eq!(read.arguments, [first, "2", "x"]);
            let read = websms(&["asterisk-websms", "websms", first, "2", "x"], true);
            assert_eq!(read.arguments, [first, "2", "x"]);
        }
    }
}
