//! Keyed digests and credentials, as requests in both directions carry them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{EagerHash, Hmac, KeyInit as _, Mac as _};

use crate::secret::Secret;

/// HMAC (RFC 2104) with the digest `D`.
pub(crate) fn hmac<D: EagerHash>(key: &Secret, data: &[u8]) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "HMAC takes a key of any length (RFC 2104)"
    )]
    let mut mac = Hmac::<D>::new_from_slice(key.expose().as_bytes()).expect("HMAC takes any key");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// User and password as `Authorization: Basic` carries them (RFC 7617,
/// section 2).
pub(crate) fn basic_credentials(user: &str, password: &Secret) -> String {
    STANDARD.encode(format!("{user}:{}", password.expose()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha1::Sha1;

    #[test]
    fn hmac_matches_the_published_vectors() {
        // RFC 2202, section 3, cases 1 and 2. The case with a key longer than a
        // block has bytes that are not UTF-8, so that vector is from openssl.
        let long = "a".repeat(80);
        for (key, data, expected) in [
            (
                "\u{b}".repeat(20).as_str(),
                "Hi There",
                "b617318655057264e28bc0b6fb378c8ef146be00",
            ),
            (
                "Jefe",
                "what do ya want for nothing?",
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            ),
            (
                long.as_str(),
                "Hi There",
                "c02bb870266205f82783b458cd3692fc98470e8c",
            ),
        ] {
            let key = Secret::new(key.to_owned());
            assert_eq!(hex::encode(hmac::<Sha1>(&key, data.as_bytes())), expected);
        }
    }

    #[test]
    fn credentials_match_the_published_example() {
        let password = Secret::new("open sesame".to_owned());
        let credentials = basic_credentials("Aladdin", &password);
        assert_eq!(credentials, "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
