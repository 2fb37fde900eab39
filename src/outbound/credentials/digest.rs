//! HTTP Digest (RFC 7616): challenges, and the answers to them. Pure.

use std::fmt::Write as _;

use http_auth::ChallengeParser;
use md5::Md5;
use sha2::digest::Digest;
use sha2::{Sha256, Sha512_256};

use crate::secret::Secret;

/// What a server asks for.
#[derive(Debug, Clone)]
pub(super) struct Challenge {
    pub nonce: String,
    /// Whether the credentials were right and only the nonce is too old.
    pub is_stale: bool,
    realm: String,
    opaque: Option<String>,
    /// As the server wrote it; `None` means MD5.
    algorithm_name: Option<String>,
    algorithm: Algorithm,
    /// Whether the request is counted; servers from before RFC 2617 do not.
    has_qop: bool,
    /// Whether the name of the user is hashed.
    hashes_user: bool,
}

#[derive(Debug, Clone, Copy)]
struct Algorithm {
    hash: fn(&str) -> String,
    /// `-sess`: the secret is hashed together with the nonces.
    is_session: bool,
}

/// A request that is signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct SignedRequest<'a> {
    pub method: &'a str,
    /// Path and query.
    pub uri: &'a str,
    /// How many requests have been signed with this nonce, with this one.
    pub count: u32,
    /// Our own nonce.
    pub cnonce: &'a str,
}

impl Challenge {
    /// Finds the first challenge that can be answered in the values of
    /// `WWW-Authenticate`: servers put the best one first.
    pub(super) fn find<'a>(values: impl Iterator<Item = &'a str>) -> Option<Self> {
        values.flat_map(challenges).find_map(|it| Self::read(&it))
    }

    fn read(challenge: &http_auth::ChallengeRef<'_>) -> Option<Self> {
        if !challenge.scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let value = |wanted: &str| {
            let mut parameters = challenge.params.iter();
            let found = parameters.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.to_unescaped())
        };
        let is_true = |name| value(name).is_some_and(|it| it.eq_ignore_ascii_case("true"));
        let algorithm_name = value("algorithm");
        let qop = value("qop");
        if let Some(qop) = &qop {
            let mut offered = qop.split(',');
            // `auth-int` alone is not offered by any provider that is known.
            offered.find(|it| it.trim().eq_ignore_ascii_case("auth"))?;
        }
        Some(Self {
            nonce: value("nonce")?,
            is_stale: is_true("stale"),
            realm: value("realm")?,
            opaque: value("opaque"),
            algorithm: Algorithm::parse(algorithm_name.as_deref().unwrap_or("MD5"))?,
            algorithm_name,
            has_qop: qop.is_some(),
            hashes_user: is_true("userhash"),
        })
    }

    /// The value of `Authorization`.
    pub(super) fn answer(&self, user: &str, secret: &Secret, request: SignedRequest<'_>) -> String {
        let hash = self.algorithm.hash;
        let name = if self.hashes_user {
            hash(&format!("{user}:{}", self.realm))
        } else {
            user.to_owned()
        };
        let mut answer = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{}\"",
            quoted(&name),
            quoted(&self.realm),
            quoted(&self.nonce),
            quoted(request.uri),
            self.response(user, secret, request)
        );
        // Writing to a string cannot fail.
        if let Some(name) = &self.algorithm_name {
            let _ = write!(answer, ", algorithm={name}");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(answer, ", opaque={}", quoted(opaque));
        }
        let SignedRequest { count, cnonce, .. } = request;
        if self.has_qop {
            let _ = write!(answer, ", qop=auth, nc={count:08x}");
        }
        if self.has_qop || self.algorithm.is_session {
            let _ = write!(answer, ", cnonce={}", quoted(cnonce));
        }
        if self.hashes_user {
            answer.push_str(", userhash=true");
        }
        answer
    }

    /// RFC 7616, section 3.4.
    fn response(&self, user: &str, secret: &Secret, request: SignedRequest<'_>) -> String {
        let Self { realm, nonce, .. } = self;
        let Algorithm { hash, is_session } = self.algorithm;
        let SignedRequest {
            method,
            uri,
            count,
            cnonce,
        } = request;
        let mut key = hash(&format!("{user}:{realm}:{}", secret.expose()));
        if is_session {
            key = hash(&format!("{key}:{nonce}:{cnonce}"));
        }
        let signed = hash(&format!("{method}:{uri}"));
        if self.has_qop {
            hash(&format!("{key}:{nonce}:{count:08x}:{cnonce}:auth:{signed}"))
        } else {
            hash(&format!("{key}:{nonce}:{signed}"))
        }
    }
}

impl Algorithm {
    fn parse(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let (hash, is_session) = match upper.strip_suffix("-SESS") {
            Some(hash) => (hash, true),
            None => (upper.as_str(), false),
        };
        let hash = match hash {
            "MD5" => hex_of::<Md5>,
            "SHA-256" => hex_of::<Sha256>,
            "SHA-512-256" => hex_of::<Sha512_256>,
            _ => return None,
        };
        Some(Self { hash, is_session })
    }
}

/// The schemes that a server offers, e.g. `Basic, Negotiate`.
pub(super) fn schemes<'a>(values: impl Iterator<Item = &'a str>) -> Vec<String> {
    let all = values.flat_map(challenges);
    all.map(|challenge| challenge.scheme.to_owned()).collect()
}

/// The challenges of one header, up to the first mistake in it.
fn challenges(value: &str) -> impl Iterator<Item = http_auth::ChallengeRef<'_>> {
    ChallengeParser::new(value).map_while(Result::ok)
}

fn hex_of<D: Digest>(text: &str) -> String {
    hex::encode(D::digest(text))
}

/// A `quoted-string` (RFC 9110, section 5.6.4).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616, section 3.9.1.
    const EXAMPLE: &str = "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
        nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
        opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

    fn answer(challenge: &str, user: &str, cnonce: &str, uri: &str, method: &str) -> String {
        let challenge = Challenge::find([challenge].into_iter()).unwrap();
        let secret = Secret::new("Circle of Life".to_owned());
        let count = 1;
        let request = SignedRequest {
            method,
            uri,
            count,
            cnonce,
        };
        challenge.answer(user, &secret, request)
    }

    #[test]
    fn answers_are_those_of_the_rfc() {
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let challenge = format!("Digest {EXAMPLE}, algorithm={algorithm}");
            let answer = answer(&challenge, "Mufasa", cnonce, "/dir/index.html", "GET");
            assert_eq!(
                answer,
                format!(
                    "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", \
                     nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                     uri=\"/dir/index.html\", response=\"{response}\", algorithm={algorithm}, \
                     opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\", qop=auth, \
                     nc=00000001, cnonce=\"{cnonce}\""
                )
            );
        }
    }

    #[test]
    fn name_is_hashed_if_the_server_wants_that() {
        let challenge = "Digest realm=\"api@example.org\", qop=\"auth\", \
            algorithm=SHA-256, nonce=\"n\", charset=UTF-8, userhash=true";
        let answer = answer(challenge, "J\u{e4}s\u{f8}n Doe", "c", "/doe.json", "GET");
        let (user, realm) = ("J\u{e4}s\u{f8}n Doe", "api@example.org");
        let hashed = hex::encode(Sha256::digest(format!("{user}:{realm}")));
        assert!(
            answer.contains(&format!("username=\"{hashed}\"")),
            "{answer}"
        );
        assert!(answer.contains("userhash=true"), "{answer}");
    }

    #[test]
    fn challenge_that_cannot_be_answered_is_passed_over() {
        let found = |values: &[&str]| Challenge::find(values.iter().copied());
        for values in [
            &[][..],
            &["Basic realm=\"x\""],
            &["Digest realm=\"x\""],
            &["Digest nonce=\"x\""],
            &["Digest realm=\"x\", nonce=\"y\", algorithm=SHA3"],
            &["Digest realm=\"x\", nonce=\"y\", qop=\"auth-int\""],
            &["Digest realm=\"x\", nonce=\"y"],
            &["Digest \u{e9}\"\\"],
        ] {
            assert!(found(values).is_none(), "{values:?}");
        }
        for values in [
            &["Basic realm=\"x\", Digest realm=\"a,b\", nonce=y, qop=auth"][..],
            &[
                "Basic realm=\"x\"",
                "digest REALM=\"a,b\",NONCE=\"y\",STALE=FALSE",
            ],
            &[
                "Digest realm=\"z\", nonce=\"z\", algorithm=SHA3",
                "Digest realm=\"a,b\", nonce=\"y\", algorithm=md5-sess, qop=\"auth-int,auth\"",
            ],
        ] {
            let challenge = found(values).unwrap();
            assert_eq!((&*challenge.realm, &*challenge.nonce), ("a,b", "y"));
            assert!(!challenge.is_stale);
        }
        let stale = "Digest realm=\"x\", nonce=\"y\", stale=true";
        assert!(found(&[stale]).unwrap().is_stale);
        let offered = ["Basic realm=\"x\", Bearer", "NTLM"];
        assert_eq!(schemes(offered.into_iter()), ["Basic", "Bearer", "NTLM"]);
    }

    #[test]
    fn quotes_are_escaped() {
        let challenge = "Digest realm=\"a \\\"b\\\"\", nonce=\"n\"";
        let answer = answer(challenge, "u\"\\", "c", "/", "POST");
        assert!(answer.contains("username=\"u\\\"\\\\\""), "{answer}");
        assert!(answer.contains("realm=\"a \\\"b\\\"\""), "{answer}");
        assert!(!answer.contains("cnonce"), "{answer}");
    }
}
