//! Authentication of requests. One function for each place that a method can
//! put credentials in: parameters before the body is built, a header after.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha1::Sha1;

use crate::config::Auth;
use crate::crypto::{basic_credentials, hmac};
use crate::document::template;
use crate::secret::Secret;

/// The parameters that carry credentials.
pub(crate) fn parameters(auth: &Auth<Secret>) -> Vec<(String, String)> {
    match auth {
        Auth::Plain {
            user,
            key_secret,
            secret,
        } => vec![
            user.clone(),
            (key_secret.clone(), secret.expose().to_owned()),
        ],
        Auth::Basic { .. }
        | Auth::Bearer { .. }
        | Auth::ClientCredentials(_)
        | Auth::Digest { .. }
        | Auth::Header { .. }
        | Auth::None
        | Auth::Zadarma { .. } => Vec::new(),
    }
}

/// The header that carries credentials of a request for `path` with the encoded
/// parameters `query`: its name in lower case, and its value.
pub(crate) fn header(auth: &Auth<Secret>, path: &str, query: &str) -> Option<(String, String)> {
    let authorization = |value| Some(("authorization".to_owned(), value));
    match auth {
        Auth::Basic { user, secret } => {
            authorization(format!("Basic {}", basic_credentials(user, secret)))
        }
        Auth::Bearer { secret } => authorization(format!("Bearer {}", secret.expose())),
        Auth::Header {
            name,
            value,
            user,
            secret,
        } => {
            let value = template::fill(value, |word| match word {
                "user" => user.clone(),
                _ => secret.expose().to_owned(),
            });
            Some((name.clone(), value))
        }
        Auth::Zadarma { user, secret } => {
            authorization(format!("{user}:{}", zadarma(secret, path, query)))
        }
        // Digest signs the finished request, once the provider has asked for it; client
        // credentials have been exchanged for a bearer token.
        Auth::ClientCredentials(_) | Auth::Digest { .. } | Auth::None | Auth::Plain { .. } => None,
    }
}

/// The forms in which the secret is sent, which a provider might repeat: as it
/// is, and as the header encodes it.
pub(crate) fn transmitted_secrets(auth: &Auth<Secret>) -> Vec<String> {
    match auth {
        Auth::Basic { user, secret } => {
            vec![secret.expose().to_owned(), basic_credentials(user, secret)]
        }
        Auth::Bearer { secret }
        | Auth::Digest { secret, .. }
        | Auth::Header { secret, .. }
        | Auth::Plain { secret, .. }
        | Auth::Zadarma { secret, .. } => {
            vec![secret.expose().to_owned()]
        }
        Auth::ClientCredentials(account) => vec![account.secret.expose().to_owned()],
        Auth::None => Vec::new(),
    }
}

/// Zadarma's signature: base64 of the *hexadecimal* HMAC-SHA1 over path, sorted
/// query and the query's MD5 (<https://zadarma.com/en/support/api/>,
/// "Authorization").
fn zadarma(secret: &Secret, path: &str, query: &str) -> String {
    let digest = hex::encode(Md5::digest(query));
    let signed = format!("{path}{query}{digest}");
    STANDARD.encode(hex::encode(hmac::<Sha1>(secret, signed.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_puts_credentials_in_their_place() {
        let secret = || Secret::new("s3cret".to_owned());
        let basic = Auth::Basic {
            user: "id".to_owned(),
            secret: secret(),
        };
        let value = |auth: &Auth<Secret>| header(auth, "/", "").map(|(_, value)| value);
        assert_eq!(value(&basic).unwrap(), "Basic aWQ6czNjcmV0");
        let bearer = Auth::Bearer { secret: secret() };
        assert_eq!(value(&bearer).unwrap(), "Bearer s3cret");
        let own = Auth::Header {
            name: "x-key".to_owned(),
            value: "{user} {secret}".to_owned(),
            user: "{secret}".to_owned(),
            secret: secret(),
        };
        let expected = ("x-key".to_owned(), "{secret} s3cret".to_owned());
        assert_eq!(header(&own, "/", "").unwrap(), expected);
        assert!(parameters(&basic).is_empty());
        let plain = Auth::Plain {
            user: ("u".to_owned(), "id".to_owned()),
            key_secret: "p".to_owned(),
            secret: secret(),
        };
        assert_eq!(value(&plain), None);
        assert_eq!(parameters(&plain).len(), 2);
        assert_eq!(value(&Auth::None), None);
    }
}
