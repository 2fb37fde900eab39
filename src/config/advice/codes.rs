//! Whether one-time passwords can be found by guessing.

use crate::config::advice::Advice;
use crate::config::sections::otp::OtpSettings;
use crate::config::syntax::keys::{self, Key};

/// The chance of finding a code of one phone within a day, from which on there is a
/// warning: 1 in so many.
const UNLIKELY: u128 = 1000;

const HOURS: u128 = 24;

/// Each code may be guessed `max_attempts` times, and a new one asked for then.
pub(super) fn check(otp: &OtpSettings, advice: &mut Advice<'_>) {
    let limits = [("per_phone", otp.per_phone), ("per_hour", otp.per_hour)];
    let limits = limits
        .into_iter()
        .filter_map(|(name, max)| Some((name, max?)));
    let Some((limit, max)) = limits.min_by_key(|(_, max)| *max) else {
        let message = "sets no limit, nor does per_hour, so codes are found by asking for new ones \
                       and guessing for long enough: set it to 5";
        advice.warn(&keys::otp::PER_PHONE, "", message);
        return;
    };
    // The first digit is not 0.
    let codes = 9 * 10_u128.pow(otp.code_length.saturating_sub(1));
    let guesses = HOURS * u128::from(max) * u128::from(otp.max_attempts);
    if guesses * UNLIKELY <= codes {
        return;
    }
    let message = format!(
        "makes codes easy to guess: with code_length = {}, max_attempts = {} and {limit} = {max} \
         one code of a phone in a day is found with a chance of 1 in {}: take more digits, or \
         lower limits, for 1 in 1000",
        otp.code_length,
        otp.max_attempts,
        (codes / guesses).max(1),
    );
    let keys: [&Key; 4] = [
        &keys::otp::CODE_LENGTH,
        &keys::otp::MAX_ATTEMPTS,
        &keys::otp::PER_PHONE,
        &keys::otp::PER_HOUR,
    ];
    let set = keys.into_iter().find(|key| advice.is_set(key));
    advice.warn(set.unwrap_or(&keys::otp::CODE_LENGTH), "", &message);
}
