//! `[websms]`: how a request authenticates.

use std::convert::Infallible;

use reqwest::Url;

use crate::config::syntax::keys::websms as keys;
use crate::config::syntax::reader::Reader;
use crate::config::syntax::value;
use crate::document::template;
use crate::secret::{Secret, SecretSource};

/// How a request authenticates. `S` is the source of the secret, or the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth<S> {
    /// RFC 7617.
    Basic { user: String, secret: S },
    /// RFC 6750, section 2.1.
    Bearer { secret: S },
    /// OAuth 2.0 (RFC 6749, section 4.4): a token that is got with them.
    ClientCredentials(ClientCredentials<S>),
    /// RFC 7616: the provider asks, and gets a digest of the secret.
    Digest { user: String, secret: S },
    /// In a header that the provider defines.
    Header {
        /// In lower case.
        name: String,
        /// With `{user}` and `{secret}`.
        value: String,
        user: String,
        secret: S,
    },
    /// Not at all.
    None,
    /// In two more parameters.
    Plain {
        /// The parameter for the user, and its value.
        user: (String, String),
        /// The parameter for the secret.
        key_secret: String,
        secret: S,
    },
    /// Zadarma's signature over path and parameters
    /// (<https://zadarma.com/en/support/api/>).
    Zadarma { user: String, secret: S },
}

/// What a token is got with, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCredentials<S> {
    pub token_url: Url,
    /// The id of the client.
    pub user: String,
    pub secret: S,
    /// What the token is for.
    pub scope: Option<String>,
    /// Whether id and secret are parameters and not HTTP Basic.
    pub in_body: bool,
    /// Other parameters of the request.
    pub parameters: Vec<(String, String)>,
}

impl<S> ClientCredentials<S> {
    fn with<T>(&self, secret: T) -> ClientCredentials<T> {
        ClientCredentials {
            token_url: self.token_url.clone(),
            user: self.user.clone(),
            secret,
            scope: self.scope.clone(),
            in_body: self.in_body,
            parameters: self.parameters.clone(),
        }
    }
}

impl Auth<SecretSource> {
    /// Whether the file itself contains the secret.
    pub(crate) fn holds_secret(&self) -> bool {
        self.secret().is_some_and(SecretSource::is_inline)
    }
}

impl<S> Auth<S> {
    pub fn secret(&self) -> Option<&S> {
        match self {
            Self::None => None,
            Self::Basic { secret, .. }
            | Self::Bearer { secret }
            | Self::ClientCredentials(ClientCredentials { secret, .. })
            | Self::Digest { secret, .. }
            | Self::Header { secret, .. }
            | Self::Plain { secret, .. }
            | Self::Zadarma { secret, .. } => Some(secret),
        }
    }

    /// The same with the secret that `resolve` returns.
    ///
    /// # Errors
    /// Those of `resolve`.
    pub fn try_map<T, E>(&self, resolve: impl FnOnce(&S) -> Result<T, E>) -> Result<Auth<T>, E> {
        Ok(match self {
            Self::Basic { user, secret } => Auth::Basic {
                user: user.clone(),
                secret: resolve(secret)?,
            },
            Self::Bearer { secret } => Auth::Bearer {
                secret: resolve(secret)?,
            },
            Self::ClientCredentials(account) => {
                Auth::ClientCredentials(account.with(resolve(&account.secret)?))
            }
            Self::Digest { user, secret } => Auth::Digest {
                user: user.clone(),
                secret: resolve(secret)?,
            },
            Self::Header {
                name,
                value,
                user,
                secret,
            } => Auth::Header {
                name: name.clone(),
                value: value.clone(),
                user: user.clone(),
                secret: resolve(secret)?,
            },
            Self::None => Auth::None,
            Self::Plain {
                user,
                key_secret,
                secret,
            } => Auth::Plain {
                user: user.clone(),
                key_secret: key_secret.clone(),
                secret: resolve(secret)?,
            },
            Self::Zadarma { user, secret } => Auth::Zadarma {
                user: user.clone(),
                secret: resolve(secret)?,
            },
        })
    }

    /// The same with the secret that `resolve` returns.
    pub fn map<T>(&self, resolve: impl FnOnce(&S) -> T) -> Auth<T> {
        let Ok(auth) = self.try_map(|secret| Ok::<_, Infallible>(resolve(secret)));
        auth
    }
}

const REQUIRED: &str = "is not set, and auth_method needs it (auth_method = none needs nothing)";

/// The words of `auth_method`.
#[derive(Clone, Copy)]
enum AuthMethod {
    Basic,
    Bearer,
    ClientCredentials,
    Digest,
    Header,
    None,
    Plain,
    Zadarma,
}

const AUTH_METHODS: [(&str, AuthMethod); 8] = [
    ("basic", AuthMethod::Basic),
    ("none", AuthMethod::None),
    ("plain", AuthMethod::Plain),
    ("zadarma", AuthMethod::Zadarma),
    ("bearer", AuthMethod::Bearer),
    ("digest", AuthMethod::Digest),
    ("oauth2", AuthMethod::ClientCredentials),
    ("header", AuthMethod::Header),
];

/// The words of `token_auth`, and whether user and secret are in the body.
const TOKEN_METHODS: [(&str, bool); 2] = [("basic", false), ("post", true)];

/// Reads one interface; `None` after a mistake, which has been recorded.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Auth<SecretSource>> {
    let method = reader.choose(&keys::AUTH_METHOD, &AUTH_METHODS);
    let user = reader.read(&keys::AUTH_USER);
    let secret = reader.read(&keys::AUTH_PASSWD);
    let key_user = reader.read(&keys::KEY_USER);
    let key_secret = reader.read(&keys::KEY_SECRET);
    let header = reader.read_as(&keys::AUTH_HEADER, auth_header);
    let token = token(reader);
    let (user, secret, token) = (user?, secret?, token?);
    Some(match method? {
        AuthMethod::None => Auth::None,
        AuthMethod::Basic => Auth::Basic {
            user: reader.required(&keys::AUTH_USER, REQUIRED, user)?,
            // Some providers want a token as the user and no password.
            secret: secret.unwrap_or_else(|| SecretSource::Inline(Secret::default())),
        },
        AuthMethod::Plain => Auth::Plain {
            user: (
                reader.required(&keys::KEY_USER, REQUIRED, key_user?)?,
                reader.required(&keys::AUTH_USER, REQUIRED, user)?,
            ),
            key_secret: reader.required(&keys::KEY_SECRET, REQUIRED, key_secret?)?,
            secret: reader.required(&keys::AUTH_PASSWD, REQUIRED, secret)?,
        },
        AuthMethod::Bearer => Auth::Bearer {
            secret: reader.required(&keys::AUTH_PASSWD, REQUIRED, secret)?,
        },
        AuthMethod::ClientCredentials => {
            Auth::ClientCredentials(token.credentials(reader, user, secret)?)
        }
        AuthMethod::Digest => Auth::Digest {
            user: reader.required(&keys::AUTH_USER, REQUIRED, user)?,
            secret: reader.required(&keys::AUTH_PASSWD, REQUIRED, secret)?,
        },
        AuthMethod::Header => {
            let (name, value) = reader.required(&keys::AUTH_HEADER, REQUIRED, header?)?;
            Auth::Header {
                name,
                value,
                user: user.unwrap_or_default(),
                secret: reader.required(&keys::AUTH_PASSWD, REQUIRED, secret)?,
            }
        }
        AuthMethod::Zadarma => Auth::Zadarma {
            user: reader.required(&keys::AUTH_USER, REQUIRED, user)?,
            secret: reader.required(&keys::AUTH_PASSWD, REQUIRED, secret)?,
        },
    })
}

/// The keys of `auth_method = oauth2`.
struct TokenKeys {
    url: Option<Url>,
    scope: Option<String>,
    in_body: bool,
    parameters: Vec<(String, String)>,
}

impl TokenKeys {
    fn credentials(
        self,
        reader: &mut Reader<'_>,
        user: Option<String>,
        secret: Option<SecretSource>,
    ) -> Option<ClientCredentials<SecretSource>> {
        let Self {
            url,
            scope,
            in_body,
            parameters,
        } = self;
        Some(ClientCredentials {
            token_url: reader.required(&keys::TOKEN_URL, REQUIRED, url)?,
            user: reader.required(&keys::AUTH_USER, REQUIRED, user)?,
            secret: reader.required(&keys::AUTH_PASSWD, REQUIRED, secret)?,
            scope,
            in_body,
            parameters,
        })
    }
}

fn token(reader: &mut Reader<'_>) -> Option<TokenKeys> {
    let url = reader.read_as(&keys::TOKEN_URL, token_url);
    let scope = reader.read(&keys::TOKEN_SCOPE);
    let in_body = reader.choose(&keys::TOKEN_AUTH, &TOKEN_METHODS);
    let parameters = reader.read(&keys::VAL_TOKEN);
    Some(TokenKeys {
        url: url?,
        scope: scope?,
        in_body: in_body?,
        parameters: parameters?,
    })
}

/// A URL, perhaps with a query; empty is `None`.
fn token_url(raw: &str) -> Result<Option<Url>, String> {
    let Some(raw) = value::optional(raw)? else {
        return Ok(None);
    };
    let url = Url::parse(&raw).ok();
    let url = url.filter(|url| {
        let has_user = !url.username().is_empty() || url.password().is_some();
        matches!(url.scheme(), "http" | "https") && !has_user && url.fragment().is_none()
    });
    url.map(Some).ok_or_else(|| keys::TOKEN_URL.expected())
}

/// A header line that contains `{secret}`.
fn auth_header(raw: &str) -> Result<Option<(String, String)>, String> {
    let Some((name, value)) = value::header(raw)? else {
        return Ok(None);
    };
    if template::unknown_placeholder(&value, &["user", "secret"]).is_some()
        || !value.contains("{secret}")
    {
        return Err(format!(
            "{}, e.g. Authorization: App {{secret}}",
            keys::AUTH_HEADER.expected()
        ));
    }
    Ok(Some((name, value)))
}
