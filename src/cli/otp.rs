//! `otp`: one-time passwords.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::configured::Configured;
use crate::config::Identifier;
use crate::otp::meta::TemplateKind;
use crate::secret::SecretSource;

/// `otp`: one-time passwords.
#[derive(Debug, Args)]
pub struct OtpOptions {
    #[command(flatten)]
    pub(crate) configured: Configured,
    #[command(subcommand)]
    pub(crate) action: OtpAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OtpAction {
    /// Have websmsd send a code to a phone; called by Asterisk through AGI
    Send {
        /// Number of the phone, with the country code
        #[arg(allow_hyphen_values = true)]
        phone: OsString,
    },
    /// Ask websmsd whether a code is the one that was sent; called by Asterisk through AGI
    Verify {
        /// Number of the phone, with the country code
        #[arg(allow_hyphen_values = true)]
        phone: OsString,
        /// The code that was typed
        #[arg(allow_hyphen_values = true)]
        code: OsString,
    },
    /// Prepare the account at Meta that sends codes: number and template; asks for what it needs
    Setup(Box<OtpSetup>),
}

/// `otp setup`: an account at Meta that sends codes. What is neither given here nor
/// in the configuration is asked for.
#[derive(Debug, Args)]
pub(crate) struct OtpSetup {
    /// Id of the WhatsApp Business Account
    #[arg(long, value_name = "ID")]
    pub(crate) waba_id: Option<Identifier>,
    #[arg(long, value_name = "SOURCE", value_parser = SecretSource::parse,
          help = "Where to read its access token: file:/path or env:NAME")]
    pub(crate) token: Option<SecretSource>,
    /// Id of the number that codes are sent from
    #[arg(long, value_name = "ID")]
    pub(crate) phone_number_id: Option<Identifier>,
    #[arg(long, value_name = "NAME", value_parser = template_name,
          help = "Name of the template [default: otp_both_copycode, or otp_both_onetap]")]
    pub(crate) template: Option<String>,
    /// Language of the template
    #[arg(long, value_name = "CODE", default_value = "en_US", value_parser = language)]
    pub(crate) language: String,
    /// Hand the code to this Android app instead of having it copied
    #[arg(long, value_name = "PACKAGE=HASH", value_parser = one_tap)]
    pub(crate) one_tap: Option<TemplateKind>,
    /// Create a template even if there is one
    #[arg(long)]
    pub(crate) new_template: bool,
    /// Seconds to wait until Meta has approved the template
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub(crate) wait: u64,
    #[arg(
        long,
        value_name = "FILE",
        help = "Where to write the account [default: info_file of [otp], or \
                  whatsapp-info.json beside the configuration]"
    )]
    pub(crate) info: Option<PathBuf>,
}

/// A name that Meta accepts for a template.
fn template_name(raw: &str) -> Result<String, String> {
    const MAX: usize = 512;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=MAX).contains(&raw.len()) && raw.bytes().all(allowed) {
        return Ok(raw.to_owned());
    }
    Err("not the name of a template (expected lower-case letters, digits and _)".to_owned())
}

/// A language as Meta writes it.
fn language(raw: &str) -> Result<String, String> {
    let (language, country) = raw.split_once('_').unwrap_or((raw, "XX"));
    let lower = language.bytes().all(|byte| byte.is_ascii_lowercase());
    let upper = country.bytes().all(|byte| byte.is_ascii_uppercase());
    if lower && upper && (2..=3).contains(&language.len()) && (2..=3).contains(&country.len()) {
        return Ok(raw.to_owned());
    }
    Err("not a language of templates (expected e.g. en_US, de or fil)".to_owned())
}

/// An Android app, and the hash of the key that signs it.
fn one_tap(raw: &str) -> Result<TemplateKind, String> {
    const HASH: usize = 11;
    const EXPECTED: &str = "expected PACKAGE=HASH, e.g. com.example.app=K8a/AINcGX7";
    let (package, hash) = raw.split_once('=').ok_or(EXPECTED)?;
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let segment = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic()) && part.bytes().all(word)
    };
    if !package.contains('.') || !package.split('.').all(segment) {
        return Err(format!("{package:?} is not an Android app ({EXPECTED})"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_is_described_as_meta_accepts_it() {
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
            panic!("package and hash are well-formed");
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
}
