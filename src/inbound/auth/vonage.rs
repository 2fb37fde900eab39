//! The rule of Vonage's SMS API: a digest over the sorted parameters
//! (<https://developer.vonage.com/en/getting-started/concepts/signing-messages>).

use md5::{Digest as _, Md5};
use serde_json::Value;

use crate::config::{Authenticity, Spot, VonageDigest};
use crate::document::path::as_text;
use crate::inbound::auth::hmac::keyed;
use crate::inbound::auth::{NotAuthentic, Signed, same};
use crate::secret::Secret;

/// What is signed, and the signature.
#[derive(Debug)]
pub(super) struct Parameters {
    text: String,
    given: String,
}

/// The parameters but the signature, sorted, with `&` before each; what would
/// be read as the end of one is replaced.
pub(super) fn signed(
    request: &Signed<'_>,
    place: &Spot,
    authenticity: &Authenticity<Secret>,
    now: u64,
) -> Result<Parameters, NotAuthentic> {
    let given = request.at(place)?;
    let mut fields = flat(request.members()?)?;
    if let Spot::Field(name) = place {
        fields.retain(|(field, _)| field != name);
    }
    let timestamp = crate::inbound::auth::once(&fields, "timestamp");
    if authenticity.max_age.is_some() {
        let missing = || NotAuthentic::Missing("field timestamp".to_owned());
        authenticity.fresh(&timestamp.ok_or_else(missing)?, now)?;
    }
    fields.sort();
    let mut text = String::new();
    for (name, value) in fields {
        text.extend(["&", &name, "=", &value.replace(['&', '='], "_")]);
    }
    Ok(Parameters { text, given })
}

/// Names and texts. What is inside a member that holds others is not signed;
/// names that repeat, or hold what stands between fields, could be put together
/// in another way that is signed the same.
fn flat(members: Vec<(String, Value)>) -> Result<Vec<(String, String)>, NotAuthentic> {
    let mut fields = Vec::new();
    for (name, value) in members {
        let text = as_text(&value).ok_or(NotAuthentic::Uncovered("what is inside a member"))?;
        if name.contains(['&', '=']) || fields.iter().any(|(other, _)| *other == name) {
            return Err(NotAuthentic::Uncovered("which field is which"));
        }
        fields.push((name, text));
    }
    Ok(fields)
}

/// Whether that is signed so.
pub(super) fn fits(digest: VonageDigest, secret: &Secret, signed: &Parameters) -> bool {
    let Parameters { text, given } = signed;
    let expected = match digest {
        VonageDigest::Hmac(digest) => keyed(digest, secret, text.as_bytes()),
        VonageDigest::Md5Hash => Md5::digest(format!("{text}{}", secret.expose())).to_vec(),
    };
    let given = given.to_ascii_lowercase();
    same(hex::encode(expected).as_bytes(), given.as_bytes())
}
