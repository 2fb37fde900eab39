//! A code: made by chance, and known again by a keyed hash of it.

use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::crypto::hmac;
use crate::otp::phone::Phone;
use crate::secret::Secret;

/// Bytes of salt.
const SALT: usize = 16;

/// A code that is on its way to a phone. There is no `Debug` and no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Code(String);

impl Code {
    /// A code of so many digits, 1 to 18, each as likely as any other; the first
    /// digit is not 0.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(crate) fn random(digits: u32) -> Result<Self, getrandom::Error> {
        let least = 10_u64.pow(digits.saturating_sub(1));
        below(9 * least, getrandom::u64).map(|number| Self((least + number).to_string()))
    }

    /// The code itself, for the phone.
    #[must_use]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// A number below `bound`, each as likely as any other: those of `random` that
/// would make some likelier are thrown away.
fn below<E>(bound: u64, random: impl Fn() -> Result<u64, E>) -> Result<u64, E> {
    let whole = u64::MAX - u64::MAX % bound;
    loop {
        let number = random()?;
        if number < whole {
            return Ok(number % bound);
        }
    }
}

/// What is kept of a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HashedCode {
    /// In hexadecimal.
    salt: String,
    /// HMAC-SHA256 of salt, phone and code, in hexadecimal.
    hash: String,
}

/// Hashes with a key that is kept elsewhere: a code has so few digits that all of
/// them could be tried against a hash without one.
#[derive(Clone)]
pub(crate) struct CodeHasher(Secret);

impl CodeHasher {
    /// A hasher with this key.
    #[must_use]
    pub(crate) fn new(key: Secret) -> Self {
        Self(key)
    }

    /// What is kept of a code for a phone.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(crate) fn hash(&self, phone: &Phone, code: &Code) -> Result<HashedCode, getrandom::Error> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt)?;
        let salt = hex::encode(salt);
        let hash = hex::encode(self.of_code(&salt, phone, code.expose()));
        Ok(HashedCode { salt, hash })
    }

    /// Whether this is the code, in a time that does not depend on how much of it
    /// is right.
    #[must_use]
    pub(crate) fn matches(&self, kept: &HashedCode, phone: &Phone, given: &str) -> bool {
        let hash = hex::decode(&kept.hash).unwrap_or_default();
        let given = self.of_code(&kept.salt, phone, given);
        given.ct_eq(&hash).into()
    }

    /// A name for a phone that does not tell its number, 32 hexadecimal digits.
    #[must_use]
    pub(crate) fn file_name(&self, phone: &Phone) -> String {
        const BYTES: usize = 16;
        let hash = self.of(&["phone", phone.digits()]);
        hex::encode(hash.get(..BYTES).unwrap_or_default())
    }

    fn of_code(&self, salt: &str, phone: &Phone, code: &str) -> Vec<u8> {
        self.of(&["code", salt, phone.digits(), code])
    }

    /// Parts but the last hold no line break.
    fn of(&self, parts: &[&str]) -> Vec<u8> {
        hmac::<Sha256>(&self.0, parts.join("\n").as_bytes())
    }
}

#[cfg(test)]
mod tests;
