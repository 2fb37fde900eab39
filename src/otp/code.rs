//! Random codes, and the keyed hash of a code that is stored in its place.

use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::crypto::hmac;
use crate::otp::phone::Phone;
use crate::secret::Secret;

/// Bytes of salt.
const SALT_LENGTH: usize = 16;

/// A code on its way to a phone. It has neither `Debug` nor `Display`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Code(String);

impl Code {
    /// A code of so many digits, 1 to 18. The first digit is not 0; otherwise all
    /// codes are equally likely.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(crate) fn random(digits: u32) -> Result<Self, getrandom::Error> {
        let min = 10_u64.pow(digits.saturating_sub(1));
        below(9 * min, getrandom::u64).map(|number| Self((min + number).to_string()))
    }

    /// The digits, to send them to the phone.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// A number below `bound`, all equally likely: numbers of `random` that would
/// bias the result are rejected.
fn below<E>(bound: u64, random: impl Fn() -> Result<u64, E>) -> Result<u64, E> {
    let whole = u64::MAX - u64::MAX % bound;
    loop {
        let number = random()?;
        if number < whole {
            return Ok(number % bound);
        }
    }
}

/// What is stored of a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HashedCode {
    /// In hexadecimal.
    salt: String,
    /// HMAC-SHA256 of salt, phone and code, in hexadecimal.
    hash: String,
}

/// Hashes with a key that is stored elsewhere: a code is so short that all codes
/// could be tried against a hash without a key.
#[derive(Clone)]
pub(crate) struct CodeHasher(Secret);

impl CodeHasher {
    pub(crate) fn new(key: Secret) -> Self {
        Self(key)
    }

    /// Hashes the code of a phone with a new salt.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(crate) fn hash(&self, phone: &Phone, code: &Code) -> Result<HashedCode, getrandom::Error> {
        let mut salt = [0; SALT_LENGTH];
        getrandom::fill(&mut salt)?;
        let salt = hex::encode(salt);
        let hash = hex::encode(self.code_mac(&salt, phone, code.expose()));
        Ok(HashedCode { salt, hash })
    }

    /// Whether `code` is the hashed one, in a time that does not depend on how much
    /// of it is right.
    pub(crate) fn matches(&self, hashed: &HashedCode, phone: &Phone, code: &str) -> bool {
        let hash = hex::decode(&hashed.hash).unwrap_or_default();
        let mac = self.code_mac(&hashed.salt, phone, code);
        mac.ct_eq(&hash).into()
    }

    /// A file name that does not reveal the number: 32 hexadecimal digits.
    pub(crate) fn file_name(&self, phone: &Phone) -> String {
        const BYTES: usize = 16;
        let hash = self.mac(&["phone", phone.digits()]);
        hex::encode(hash.get(..BYTES).unwrap_or_default())
    }

    fn code_mac(&self, salt: &str, phone: &Phone, code: &str) -> Vec<u8> {
        self.mac(&["code", salt, phone.digits(), code])
    }

    /// Only the last part may hold a line break, so that no two lists of parts give
    /// the same text.
    fn mac(&self, parts: &[&str]) -> Vec<u8> {
        hmac::<Sha256>(&self.0, parts.join("\n").as_bytes())
    }
}

#[cfg(test)]
mod tests;
