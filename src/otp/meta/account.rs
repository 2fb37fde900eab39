//! The account at Meta, from where the configuration says that it is: its four
//! values, or the file that holds them, `whatsapp-info.json`.
//!
//! The file is that of Meta's sample server: an object of four strings. Nothing
//! that is said of it shows what it holds, because one of them is a secret.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize as _;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value, json};

use crate::config::{AccountSource, Identifier, WhatsappAccount};
use crate::logging::chain;
use crate::secret::{Secret, SecretError};

/// Members of the file, as Meta's sample names and orders them.
const WABA_ID: &str = "waba_id";
const ACCESS_TOKEN: &str = "access_token";
const PHONE_NUMBER_ID: &str = "phone_number_id";
const TEMPLATE_ID: &str = "template_id";

/// What is known of an account, which may not be all of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartialAccount {
    /// The `WhatsApp` Business Account.
    pub waba_id: Option<Identifier>,
    /// Its access token.
    pub access_token: Option<Secret>,
    /// The number that codes come from.
    pub phone_number_id: Option<Identifier>,
    /// The template that they come in.
    pub template_id: Option<Identifier>,
}

/// Gets the account from where it is.
///
/// # Errors
/// When a file or variable cannot be read, or does not hold all of it.
pub(crate) fn load(source: &AccountSource) -> Result<WhatsappAccount<Secret>, AccountError> {
    match source {
        AccountSource::File(path) => {
            let known = read(path)?.ok_or_else(|| AccountError::Missing(path.clone()))?;
            complete(known).map_err(|missing| AccountError::Members {
                path: path.clone(),
                wrong: missing
                    .map(|member| format!("{member} is missing"))
                    .collect(),
            })
        }
        AccountSource::Here(account) => {
            let token = account.access_token.resolve_nonempty();
            Ok(WhatsappAccount {
                waba_id: account.waba_id.clone(),
                access_token: token.map_err(AccountError::Token)?,
                phone_number_id: account.phone_number_id.clone(),
                template_id: account.template_id.clone(),
            })
        }
    }
}

/// What the file holds of an account; `None` when there is no file.
///
/// # Errors
/// When it cannot be read, or holds what is no account.
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

/// The account as the file holds it.
#[must_use]
pub(crate) fn to_json(account: &WhatsappAccount<Secret>) -> String {
    let document = json!({
        WABA_ID: account.waba_id.as_str(),
        ACCESS_TOKEN: account.access_token.expose(),
        PHONE_NUMBER_ID: account.phone_number_id.as_str(),
        TEMPLATE_ID: account.template_id.as_str(),
    });
    let mut text = Vec::new();
    let formatter = PrettyFormatter::with_indent(b"    ");
    // Strings can always be written.
    let _ = document.serialize(&mut Serializer::with_formatter(&mut text, formatter));
    text.push(b'\n');
    String::from_utf8_lossy(&text).into_owned()
}

/// The whole account, or what is missing of it.
fn complete(
    known: PartialAccount,
) -> Result<WhatsappAccount<Secret>, impl Iterator<Item = &'static str>> {
    let missing = [
        (WABA_ID, known.waba_id.is_none()),
        (ACCESS_TOKEN, known.access_token.is_none()),
        (PHONE_NUMBER_ID, known.phone_number_id.is_none()),
        (TEMPLATE_ID, known.template_id.is_none()),
    ];
    if let PartialAccount {
        waba_id: Some(waba_id),
        access_token: Some(access_token),
        phone_number_id: Some(phone_number_id),
        template_id: Some(template_id),
    } = known
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

/// What is wrong with the text of a file.
#[derive(Debug, PartialEq, Eq)]
enum Invalid {
    Json,
    Members(Vec<String>),
}

fn parse(text: &str) -> Result<PartialAccount, Invalid> {
    // Editors of some systems put a byte order mark in front.
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

/// What stands there, in text or as a number; `None` when nothing does.
fn member(document: &Map<String, Value>, name: &str) -> Option<Result<String, String>> {
    match document.get(name)? {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(Ok(text.clone())),
        Value::Number(number) => Some(Ok(number.to_string())),
        _ => Some(Err("neither text nor a number".to_owned())),
    }
}

/// A token as it can go into a header.
///
/// # Errors
/// When it cannot.
pub(crate) fn secret(token: &str) -> Result<Secret, String> {
    if token.bytes().all(|byte| byte.is_ascii_graphic()) && !token.is_empty() {
        Ok(Secret::new(token.to_owned()))
    } else {
        Err("not an access token (expected letters, digits and signs without blanks)".to_owned())
    }
}

/// An account that is not there or is none. The administrator must act.
#[derive(Debug)]
pub(crate) enum AccountError {
    /// What the file holds is no account.
    Members {
        /// The file.
        path: PathBuf,
        /// Each member that is missing or wrong, and how.
        wrong: Vec<String>,
    },
    /// There is no such file.
    Missing(PathBuf),
    /// The file is not an object in JSON.
    NotJson(PathBuf),
    /// The token is not where the configuration says.
    Token(SecretError),
    /// The file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Members { path, wrong } => {
                let (path, wrong) = (path.display(), wrong.join(", "));
                write!(
                    f,
                    "read the account in {path}: {wrong}: mend the file, or remove it and run \
                     `asterisk-websms otp setup`"
                )
            }
            Self::Missing(path) => {
                let path = path.display();
                write!(
                    f,
                    "read {path}, which is not there: `asterisk-websms otp setup` makes it"
                )
            }
            Self::NotJson(path) => {
                let path = path.display();
                write!(
                    f,
                    "read the account in {path}: it is not an object in JSON: mend the file, or \
                     remove it and run `asterisk-websms otp setup`"
                )
            }
            Self::Token(error) => {
                write!(f, "get access_token of [otp]: failed to {}", chain(error))
            }
            Self::Unreadable { path, source } => {
                let path = path.display();
                write!(
                    f,
                    "read {path}: {source}: see that it is a file, and that the user that this \
                     runs as may read it"
                )
            }
        }
    }
}

impl std::error::Error for AccountError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretSource;

    const WHOLE: &str = r#"{"waba_id": "1", "access_token": "EAAB", "phone_number_id": "2",
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
    fn file_is_that_of_the_sample() {
        let account = load_file(WHOLE).unwrap();
        let sample = "{\n    \"waba_id\": \"1\",\n    \"access_token\": \"EAAB\",\n    \
                      \"phone_number_id\": \"2\",\n    \"template_id\": \"3\"\n}\n";
        assert_eq!(to_json(&account), sample);
        assert_eq!(load_file(sample), Ok(account.clone()));
        let numbers = r#"{"waba_id":1,"access_token":"EAAB","phone_number_id":2,"template_id":3}"#;
        assert_eq!(load_file(numbers), Ok(account.clone()));
        assert_eq!(load_file(&format!("\u{feff}{WHOLE}")), Ok(account));
    }

    #[test]
    fn each_member_that_is_wrong_is_named_and_no_secret_shown() {
        for (text, parts) in [
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
            let said = load_file(text).unwrap_err();
            for part in parts {
                assert!(said.contains(part), "{part}: {said}");
            }
            assert!(!said.contains("hunter2"), "{said}");
        }
        let nowhere = load(&AccountSource::File("/nonexistent/x".into())).unwrap_err();
        let said = nowhere.to_string();
        assert!(said.contains("`asterisk-websms otp setup`"), "{said}");
    }

    #[test]
    fn file_may_hold_a_part_as_long_as_it_is_sound() {
        let (_guard, path) = file(r#"{"waba_id": "1", "template_id": null}"#);
        let part = read(&path).unwrap().unwrap();
        assert!(part.waba_id.is_some() && part.template_id.is_none());
        assert!(read("/nonexistent/x".as_ref()).unwrap().is_none());
    }

    #[test]
    fn token_comes_from_where_the_source_says() {
        let (_guard, path) = file("EAAB\n");
        let account = |token| {
            AccountSource::Here(WhatsappAccount {
                waba_id: "1".parse().unwrap(),
                access_token: token,
                phone_number_id: "2".parse().unwrap(),
                template_id: "3".parse().unwrap(),
            })
        };
        let loaded = load(&account(SecretSource::File(path))).unwrap();
        assert_eq!(loaded.access_token.expose(), "EAAB");
        let error = load(&account(SecretSource::File("/nonexistent/x".into()))).unwrap_err();
        let said = error.to_string();
        assert!(
            said.starts_with(
                "get access_token of [otp]: failed to read the secret in /nonexistent/x"
            ),
            "{said}"
        );
    }
}
