//! `[websms]`: how a request says who sends it.

use crate::config::syntax::keys::websms as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::template;
use crate::secret::{Secret, SecretSource};

/// How a request says who sends it. `S` is where the secret is, or the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth<S> {
    /// RFC 7617.
    Basic {
        /// User name.
        user: String,
        /// Password.
        secret: S,
    },
    /// RFC 6750, section 2.1.
    Bearer {
        /// The token.
        secret: S,
    },
    /// In a header of the provider's own.
    Header {
        /// Its name in lower case.
        name: String,
        /// Its value, with `{user}` and `{secret}`.
        value: String,
        /// What `{user}` stands for.
        user: String,
        /// What `{secret}` stands for.
        secret: S,
    },
    /// Not at all.
    None,
    /// As two more parameters of the form.
    Plain {
        /// Parameter and value that name the user.
        user: (String, String),
        /// Parameter that carries the secret.
        key_secret: String,
        /// Its value.
        secret: S,
    },
    /// Zadarma's signature over path and parameters
    /// (<https://zadarma.com/en/support/api/>).
    Zadarma {
        /// The user key.
        user: String,
        /// The signing secret.
        secret: S,
    },
}

impl Auth<SecretSource> {
    /// Whether the secret stands in the file itself.
    pub(crate) fn holds_secret(&self) -> bool {
        self.secret().is_some_and(SecretSource::is_inline)
    }
}

impl<S> Auth<S> {
    /// The secret, if there is one.
    #[must_use]
    pub fn secret(&self) -> Option<&S> {
        match self {
            Self::None => None,
            Self::Basic { secret, .. }
            | Self::Bearer { secret }
            | Self::Header { secret, .. }
            | Self::Plain { secret, .. }
            | Self::Zadarma { secret, .. } => Some(secret),
        }
    }

    /// The same with the secret replaced by what `resolve` makes of it.
    ///
    /// # Errors
    /// What `resolve` says.
    pub fn try_map<T, E>(self, resolve: impl FnOnce(S) -> Result<T, E>) -> Result<Auth<T>, E> {
        Ok(match self {
            Self::Basic { user, secret } => Auth::Basic {
                user,
                secret: resolve(secret)?,
            },
            Self::Bearer { secret } => Auth::Bearer {
                secret: resolve(secret)?,
            },
            Self::Header {
                name,
                value,
                user,
                secret,
            } => Auth::Header {
                name,
                value,
                user,
                secret: resolve(secret)?,
            },
            Self::None => Auth::None,
            Self::Plain {
                user,
                key_secret,
                secret,
            } => Auth::Plain {
                user,
                key_secret,
                secret: resolve(secret)?,
            },
            Self::Zadarma { user, secret } => Auth::Zadarma {
                user,
                secret: resolve(secret)?,
            },
        })
    }
}

/// Why a key of the account must be set.
const NEEDED: &str = "is not set, and this auth_method needs it (auth_method = none sends without)";

/// The words of `auth_method`.
#[derive(Clone, Copy)]
enum AuthMethod {
    Basic,
    Bearer,
    Header,
    None,
    Plain,
    Zadarma,
}

const AUTH_METHODS: [(&str, AuthMethod); 6] = [
    ("basic", AuthMethod::Basic),
    ("none", AuthMethod::None),
    ("plain", AuthMethod::Plain),
    ("zadarma", AuthMethod::Zadarma),
    ("bearer", AuthMethod::Bearer),
    ("header", AuthMethod::Header),
];

/// Reads it; `None` when there was a mistake, which has been noted.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Auth<SecretSource>> {
    let method = reader.choose(&keys::AUTH_METHOD, &AUTH_METHODS);
    let user = reader.read(&keys::AUTH_USER);
    let secret = reader.read(&keys::AUTH_PASSWD);
    let key_user = reader.read(&keys::KEY_USER);
    let key_secret = reader.read(&keys::KEY_SECRET);
    let header = reader.read_as(&keys::AUTH_HEADER, auth_header);
    let (user, secret) = (user?, secret?);
    Some(match method? {
        AuthMethod::None => Auth::None,
        AuthMethod::Basic => Auth::Basic {
            user: reader.needed(&keys::AUTH_USER, NEEDED, user)?,
            // A token as the user and no password is what some providers want.
            secret: secret.unwrap_or_else(|| SecretSource::Inline(Secret::default())),
        },
        AuthMethod::Plain => Auth::Plain {
            user: (
                reader.needed(&keys::KEY_USER, NEEDED, key_user?)?,
                reader.needed(&keys::AUTH_USER, NEEDED, user)?,
            ),
            key_secret: reader.needed(&keys::KEY_SECRET, NEEDED, key_secret?)?,
            secret: reader.needed(&keys::AUTH_PASSWD, NEEDED, secret)?,
        },
        AuthMethod::Bearer => Auth::Bearer {
            secret: reader.needed(&keys::AUTH_PASSWD, NEEDED, secret)?,
        },
        AuthMethod::Header => {
            let (name, value) = reader.needed(&keys::AUTH_HEADER, NEEDED, header?)?;
            Auth::Header {
                name,
                value,
                user: user.unwrap_or_default(),
                secret: reader.needed(&keys::AUTH_PASSWD, NEEDED, secret)?,
            }
        }
        AuthMethod::Zadarma => Auth::Zadarma {
            user: reader.needed(&keys::AUTH_USER, NEEDED, user)?,
            secret: reader.needed(&keys::AUTH_PASSWD, NEEDED, secret)?,
        },
    })
}

/// A header line that holds `{secret}`.
fn auth_header(raw: &str) -> Result<Option<(String, String)>, String> {
    const EXPECTED: &str = "expected e.g. Authorization: App {secret}";
    let Some((name, value)) = value::header(raw)? else {
        return Ok(None);
    };
    if template::unknown_word(&value, &["user", "secret"]).is_some() || !value.contains("{secret}")
    {
        return Err(format!("does not say where the secret goes ({EXPECTED})"));
    }
    Ok(Some((name, value)))
}
