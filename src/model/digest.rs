//! Digests of several texts, as keys for messages and conversations.

use sha1::{Digest as _, Sha1};

/// The first `N` bytes (20 at most) of the SHA-1 of texts joined by line
/// breaks. Only the last text may hold a line break itself.
///
/// The keys are file names and contents of files on disk, so the result must not
/// change. SHA-1 is for even distribution, not for protection.
pub(crate) fn digest<const N: usize>(texts: &[&str]) -> [u8; N] {
    const { assert!(N <= 20, "SHA-1 has 20 bytes") };
    let mut bytes = Sha1::digest(texts.join("\n")).into_iter();
    std::array::from_fn(|_| bytes.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_the_sha1_of_the_joined_texts() {
        // echo -en 'a\nb\nc' | sha1sum
        assert_eq!(
            hex::encode(digest::<20>(&["a", "b", "c"])),
            "2074e277e1b02db9a891a7242c9a4fe7054117a5"
        );
        assert_eq!(digest(&["a", "b", "c"]), [0x20, 0x74, 0xe2]);
        assert_ne!(digest::<20>(&["a", "bc"]), digest::<20>(&["ab", "c"]));
    }
}
