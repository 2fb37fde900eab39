//! The account at Meta: four values of the configuration, or of the file
//! `whatsapp-info.json`.
//!
//! The file is that of Meta's sample server: an object of four strings. No error
//! text shows a value, because one of them is a secret.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize as _;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::config::{AccountSource, Identifier, WhatsappAccount};
use crate::secret::{Secret, SecretError};

/// Members of the file, in the order of Meta's sample.
const WABA_ID: &str = "waba_id";
const ACCESS_TOKEN: &str = "access_token";
const PHONE_NUMBER_ID: &str = "phone_number_id";
const TEMPLATE_ID: &str = "template_id";

/// An account of which values may be missing.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartialAccount {
    /// The `WhatsApp` Business Account.
    pub waba_id: Option<Identifier>,
    pub access_token: Option<Secret>,
    /// The number that codes are sent from.
    pub phone_number_id: Option<Identifier>,
    /// The template that codes are sent in.
    pub template_id: Option<Identifier>,
}

/// Reads the account from where the configuration says it is.
///
/// # Errors
/// When a file or variable cannot be read, or a value is missing or wrong.
pub(crate) fn load(source: &AccountSource) -> Result<WhatsappAccount<Secret>, AccountError> {
    match source {
        AccountSource::File(path) => {
            let account = read(path)?.ok_or_else(|| AccountError::Missing(path.clone()))?;
            complete(account).map_err(|missing| AccountError::Members {
                path: path.clone(),
                wrong: missing
                    .map(|member| format!("{member} is missing"))
                    .collect(),
            })
        }
        AccountSource::Inline(account) => {
            let token = account.access_token.resolve_nonempty();
            Ok(WhatsappAccount {
                waba_id: account.waba_id.clone(),
                access_token: token?,
                phone_number_id: account.phone_number_id.clone(),
                template_id: account.template_id.clone(),
            })
        }
    }
}

/// Reads the values that the file has; `None` when there is no file.
///
/// # Errors
/// When the file cannot be read, or a value is wrong.
pub(crate) fn read(path: &Path) -> Result<Option<PartialAccount>, AccountError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path.to_owned();
            return Err(AccountError::Unreadable { path, source });
        }
    };
    parse(&text).map(Some).map_err(|wrong| match wrong {
        Invalid::Json => AccountError::NotJson(path.to_owned()),
        Invalid::Members(wrong) => AccountError::Members {
            path: path.to_owned(),
            wrong,
        },
    })
}

/// The content of the file.
pub(crate) fn to_json(account: &WhatsappAccount<Secret>) -> String {
    let document = json!({
        WABA_ID: account.waba_id.as_str(),
        ACCESS_TOKEN: account.access_token.expose(),
        PHONE_NUMBER_ID: account.phone_number_id.as_str(),
        TEMPLATE_ID: account.template_id.as_str(),
    });
    let mut text = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    // Serializing strings to memory cannot fail.
    let _ = document.serialize(&mut Serializer::with_formatter(&mut text, formatter));
    text.push(b'\n');
    String::from_utf8_lossy(&text).into_owned()
}

/// The whole account, or the names of the missing values.
fn complete(
    account: PartialAccount,
) -> Result<WhatsappAccount<Secret>, impl Iterator<Item = &'static str>> {
    let missing = [
        (WABA_ID, account.waba_id.is_none()),
        (ACCESS_TOKEN, account.access_token.is_none()),
        (PHONE_NUMBER_ID, account.phone_number_id.is_none()),
        (TEMPLATE_ID, account.template_id.is_none()),
    ];
    if let PartialAccount {
        waba_id: Some(waba_id),
        access_token: Some(access_token),
        phone_number_id: Some(phone_number_id),
        template_id: Some(template_id),
    } = account
    {
        return Ok(WhatsappAccount {
            waba_id,
            access_token,
            phone_number_id,
            template_id,
        });
    }
    let missing = missing.into_iter().filter(|(_, missing)| *missing);
    Err(missing.map(|(member, _)| member))
}

/// Why the text of a file is not an account.
#[derive(Debug, PartialEq, Eq)]
enum Invalid {
    Json,
    Members(Vec<String>),
}

fn parse(text: &str) -> Result<PartialAccount, Invalid> {
    // Some editors write a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    let document: Map<String, Value> = serde_json::from_str(text).map_err(|_| Invalid::Json)?;
    let mut wrong = Vec::new();
    let mut id = |name: &str| {
        let id = member(&document, name)?.and_then(|id| id.parse::<Identifier>());
        id.map_err(|problem| wrong.push(format!("{name} is {problem}")))
            .ok()
    };
    let waba_id = id(WABA_ID);
    let phone_number_id = id(PHONE_NUMBER_ID);
    let template_id = id(TEMPLATE_ID);
    let token = member(&document, ACCESS_TOKEN).map(|token| token.and_then(|token| secret(&token)));
    let access_token = token.and_then(|token| {
        token
            .map_err(|problem| wrong.push(format!("{ACCESS_TOKEN} is {problem}")))
            .ok()
    });
    if wrong.is_empty() {
        return Ok(PartialAccount {
            waba_id,
            access_token,
            phone_number_id,
            template_id,
        });
    }
    Err(Invalid::Members(wrong))
}

/// The value of a member, a string or a number; `None` when it is missing or empty.
fn member(document: &Map<String, Value>, name: &str) -> Option<Result<String, String>> {
    match document.get(name)? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(Ok(text.clone())),
        Value::Number(number) => Some(Ok(number.to_string())),
        _ => Some(Err("neither text nor a number".to_owned())),
    }
}

/// Reads an access token.
///
/// # Errors
/// When a header cannot hold it.
pub(crate) fn secret(token: &str) -> Result<Secret, String> {
    if token.bytes().all(|byte| byte.is_ascii_graphic()) && !token.is_empty() {
        Ok(Secret::new(token.to_owned()))
    } else {
        Err("not an access token (expected letters, digits and signs without blanks)".to_owned())
    }
}

/// Why there is no account. The administrator must act.
#[derive(Debug, Error)]
pub(crate) enum AccountError {
    /// Values of the file are missing or wrong.
    #[error(
        "read the account in {}: {} (correct the file, or remove it and run `asterisk-websms otp \
         setup`)",
        path.display(),
        wrong.join(", ")
    )]
    Members {
        path: PathBuf,
        /// Each member that is missing or wrong, with the reason.
        wrong: Vec<String>,
    },
    #[error(
        "read the account in {}: there is no such file (`asterisk-websms otp setup` creates it)",
        .0.display()
    )]
    Missing(PathBuf),
    #[error(
        "read the account in {}: it is not an object in JSON (correct the file, or remove it and \
         run `asterisk-websms otp setup`)",
        .0.display()
    )]
    NotJson(PathBuf),
    #[error("read access_token of [otp]")]
    Token(#[from] SecretError),
    #[error(
        "read the account in {} (it must be a file that the user of this program may read)",
        path.display()
    )]
    Unreadable { path: PathBuf, source: io::Error },
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::secret::SecretSource;

    const COMPLETE: &str = r#"{"waba_id": "1", "access_token": "EAAB", "phone_number_id": "2",
        "template_id": "3", "more": [1]}"#;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("whatsapp-info.json");
        std::fs::write(&path, text).unwrap();
        (directory, path)
    }

    fn load_file(text: &str) -> Result<WhatsappAccount<Secret>, String> {
        let (_guard, path) = file(text);
        load(&AccountSource::File(path)).map_err(|error| error.to_string())
    }

    #[test]
    fn file_is_written_and_read_as_in_the_sample() {
        let account = load_file(COMPLETE).unwrap();
        let sample = "{\n    \"waba_id\": \"1\",\n    \"access_token\": \"EAAB\",\n    \
                      \"phone_number_id\": \"2\",\n    \"template_id\": \"3\"\n}\n";
        assert_eq!(to_json(&account), sample);
        assert_eq!(load_file(sample), Ok(account.clone()));
        let numbers = r#"{"waba_id":1,"access_token":"EAAB","phone_number_id":2,"template_id":3}"#;
        assert_eq!(load_file(numbers), Ok(account.clone()));
        assert_eq!(load_file(&format!("\u{feff}{COMPLETE}")), Ok(account));
    }

    #[test]
    fn wrong_members_are_named_and_no_secret_is_shown() {
        for (content, parts) in [
            (
                r#"{"waba_id": "1", "access_token": ""}"#,
                &[
                    "access_token is missing, phone_number_id is missing, template_id is missing",
                    "whatsapp-info.json",
                ][..],
            ),
            (
                r#"{"waba_id": "x/..", "phone_number_id": 1.5, "access_token": "hunter2 ", "template_id": []}"#,
                &[
                    "waba_id is not an id",
                    "phone_number_id is not an id",
                    "access_token is not an access token",
                    "template_id is neither",
                ],
            ),
            ("[]", &["not an object in JSON"]),
            ("{\"access_token\": \"hunter2\"", &["not an object in JSON"]),
        ] {
            let text = load_file(content).unwrap_err();
            for part in parts {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(!text.contains("hunter2"), "{text}");
        }
        let missing = load(&AccountSource::File("/nonexistent/x".into())).unwrap_err();
        let text = missing.to_string();
        assert!(text.contains("`asterisk-websms otp setup`"), "{text}");
    }

    #[test]
    fn file_with_some_of_the_members_is_read() {
        let (_guard, path) = file(r#"{"waba_id": "1", "template_id": null}"#);
        let part = read(&path).unwrap().unwrap();
        assert!(part.waba_id.is_some() && part.template_id.is_none());
        assert!(read("/nonexistent/x".as_ref()).unwrap().is_none());
    }

    #[test]
    fn token_is_read_from_its_source() {
        let (_guard, path) = file("EAAB\n");
        let account = |token| {
            AccountSource::Inline(WhatsappAccount {
                waba_id: "1".parse().unwrap(),
                access_token: token,
                phone_number_id: "2".parse().unwrap(),
                template_id: "3".parse().unwrap(),
            })
        };
        let loaded = load(&account(SecretSource::File(path))).unwrap();
        assert_eq!(loaded.access_token.expose(), "EAAB");
        let error = load(&account(SecretSource::File("/nonexistent/x".into()))).unwrap_err();
        assert_eq!(error.to_string(), "read access_token of [otp]");
        let source = error.source().unwrap().to_string();
        assert_eq!(source, "read the secret in /nonexistent/x");
    }
}
