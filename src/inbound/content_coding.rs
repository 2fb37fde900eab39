//! The coding of a body: gzip or none (RFC 9110, 8.4).

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header::CONTENT_ENCODING;

/// The body as its writer had it, of at most `max` bytes.
///
/// # Errors
/// When the coding is another one, or the body is not of it or too large.
pub(crate) fn decoded(
    headers: &HeaderMap,
    body: Bytes,
    max: usize,
) -> Result<Bytes, ContentCodingError> {
    let coding = headers.get(CONTENT_ENCODING);
    let coding = coding.map(|coding| String::from_utf8_lossy(coding.as_bytes()));
    match coding.as_deref().map(str::trim) {
        None | Some("") => Ok(body),
        Some(coding) if coding.eq_ignore_ascii_case("identity") => Ok(body),
        Some(coding)
            if ["gzip", "x-gzip"]
                .iter()
                .any(|it| coding.eq_ignore_ascii_case(it)) =>
        {
            inflated(&body, max)
        }
        Some(other) => Err(ContentCodingError::Unknown(
            other.chars().take(60).collect(),
        )),
    }
}

fn inflated(body: &[u8], max: usize) -> Result<Bytes, ContentCodingError> {
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let mut inflated = Vec::new();
    MultiGzDecoder::new(body)
        .take(limit)
        .read_to_end(&mut inflated)
        .map_err(|error| ContentCodingError::Malformed(error.to_string()))?;
    if inflated.len() > max {
        return Err(ContentCodingError::TooLarge);
    }
    Ok(inflated.into())
}

/// A body whose coding cannot be undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContentCodingError {
    #[error("decode the body: it is not gzip: {0}")]
    Malformed(String),
    #[error("decode the body: it is larger than max_body when it is unpacked")]
    TooLarge,
    #[error("decode the body: its Content-Encoding is {0:?} (expected gzip or none)")]
    Unknown(String),
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn decoded(coding: &str, body: &[u8], max: usize) -> Result<Bytes, ContentCodingError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, coding.parse().unwrap());
        super::decoded(&headers, Bytes::copy_from_slice(body), max)
    }

    fn packed(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_unpacked_up_to_the_limit() {
        let body = vec![b'x'; 1_000_000];
        for coding in ["gzip", "GZIP", "x-gzip"] {
            assert_eq!(decoded(coding, &packed(&body), 1_000_000).unwrap(), body);
        }
        let too_large = decoded("gzip", &packed(&body), 999_999);
        assert_eq!(too_large, Err(ContentCodingError::TooLarge));
        let twice = [packed(b"a"), packed(b"b")].concat();
        assert_eq!(decoded("gzip", &twice, 10).unwrap(), &b"ab"[..]);
    }

    #[test]
    fn what_is_not_gzip_is_an_error() {
        let whole = packed(b"a text");
        let cut = whole.get(..whole.len() - 1).unwrap();
        for body in [&b"a text"[..], b"", cut] {
            let error = decoded("gzip", body, 100).unwrap_err();
            assert!(matches!(error, ContentCodingError::Malformed(_)), "{error}");
        }
        for coding in ["br", "deflate", "zstd", "gzip, gzip"] {
            let unknown = ContentCodingError::Unknown(coding.to_owned());
            assert_eq!(decoded(coding, b"x", 100), Err(unknown));
        }
        assert_eq!(decoded("identity", b"x", 100).unwrap(), &b"x"[..]);
    }
}
