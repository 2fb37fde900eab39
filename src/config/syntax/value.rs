//! Text of one value to its type. Nothing here touches clock, disk, network or
//! environment; every failure says what was expected.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use reqwest::Url;

use crate::config::syntax::problem::did_you_mean;
use crate::document::path::FieldPath;
use crate::model::number::NumberFormat;
use crate::secret::SecretSource;

/// Longest name of a context: Asterisk cuts at 79 bytes (`AST_MAX_CONTEXT` 80,
/// `include/asterisk/channel.h`).
const CONTEXT_MAX: usize = 79;

/// Any text but none.
///
/// # Errors
/// When it is empty.
pub fn text(raw: &str) -> Result<String, String> {
    optional(raw)?.ok_or_else(|| "must not be empty".to_owned())
}

/// Any text; empty means "not set".
///
/// # Errors
/// When it holds control characters or bytes that were not UTF-8.
pub fn optional(raw: &str) -> Result<Option<String>, String> {
    if raw.chars().any(char::is_control) {
        return Err("holds a control character".to_owned());
    }
    if raw.contains(char::REPLACEMENT_CHARACTER) {
        return Err("holds a byte that is not UTF-8: save the file in UTF-8".to_owned());
    }
    Ok((!raw.is_empty()).then(|| raw.to_owned()))
}

/// A secret, or where to find it; empty means "not set".
///
/// # Errors
/// When `file:` or `env:` is followed by nothing, or when it holds control
/// characters, which no HTTP header could carry.
pub fn secret(raw: &str) -> Result<Option<SecretSource>, String> {
    optional(raw)?
        .map(|raw| SecretSource::parse(&raw))
        .transpose()
}

/// One of a fixed set of words, in any case.
///
/// # Errors
/// When it is none of them.
pub fn choice<T: Copy>(raw: &str, choices: &[(&'static str, T)]) -> Result<T, String> {
    let found = choices
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(raw));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names = choices.iter().map(|(name, _)| *name);
        let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
        let expected = names.join(", ");
        let hint = did_you_mean(raw, names);
        format!("unknown value (expected one of: {expected}){hint}")
    })
}

/// A form in which numbers are written.
///
/// # Errors
/// When there is none of that name.
pub fn number_format(raw: &str) -> Result<NumberFormat, String> {
    const FORMATS: [(&str, NumberFormat); 13] = [
        ("", NumberFormat::AsIs),
        ("E123", NumberFormat::AsIs),
        ("E.123", NumberFormat::AsIs),
        ("omit+", NumberFormat::OmitPlus),
        ("no+", NumberFormat::WithoutPrefix),
        ("E164", NumberFormat::WithoutPrefix),
        ("E.164", NumberFormat::WithoutPrefix),
        ("plus", NumberFormat::Plus),
        ("nanp10", NumberFormat::Nanp10),
        ("nanp11", NumberFormat::Nanp11),
        ("nanp+", NumberFormat::NanpPlus),
        ("jid", NumberFormat::Jid),
        ("jid-", NumberFormat::JidDigits),
    ];
    choice(raw, &FORMATS)
}

/// Places in a document, separated by commas; empty is none.
///
/// # Errors
/// When one is no place.
pub fn places(raw: &str) -> Result<Vec<FieldPath>, String> {
    optional(raw)?;
    items(raw).map(FieldPath::parse).collect()
}

/// Words, separated by commas; empty is none.
///
/// # Errors
/// When it holds control characters or bytes that were not UTF-8.
pub fn words(raw: &str) -> Result<Vec<String>, String> {
    optional(raw)?;
    Ok(items(raw).map(str::to_owned).collect())
}

/// Extensions of file names, separated by commas; empty is none.
///
/// # Errors
/// When one is more than letters and digits.
pub fn extensions(raw: &str) -> Result<Vec<String>, String> {
    let extension = |item: &str| {
        let item = item.trim_start_matches('.').to_ascii_lowercase();
        let plain = !item.is_empty() && item.bytes().all(|byte| byte.is_ascii_alphanumeric());
        plain
            .then_some(item)
            .ok_or_else(|| "not extensions of file names (expected e.g. jpg,png)".to_owned())
    };
    items(raw).map(extension).collect()
}

/// A header line, `Name: value`; empty is none.
///
/// # Errors
/// When it is none, or its value holds what no header can.
pub fn header(raw: &str) -> Result<Option<(String, String)>, String> {
    const EXPECTED: &str = "expected Name: value";
    let Some(raw) = optional(raw)? else {
        return Ok(None);
    };
    let (name, value) = raw
        .split_once(':')
        .ok_or_else(|| format!("not a header ({EXPECTED})"))?;
    let name = header_name(name.trim()).map_err(|_| format!("not a header ({EXPECTED})"))?;
    Ok(Some((name, value.trim().to_owned())))
}

/// `yes` or `no`, with the words that PHP and Asterisk take for them.
///
/// # Errors
/// When it is neither.
pub fn yes_or_no(raw: &str) -> Result<bool, String> {
    const WORDS: [(&str, bool); 9] = [
        ("yes", true),
        ("no", false),
        ("true", true),
        ("false", false),
        ("on", true),
        ("off", false),
        ("1", true),
        ("0", false),
        ("", false),
    ];
    WORDS
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(raw))
        .map(|(_, value)| *value)
        .ok_or_else(|| "unknown value (expected yes or no)".to_owned())
}

/// A whole number within a range.
///
/// # Errors
/// When it is not a number or outside the range.
pub fn number<T>(raw: &str, range: RangeInclusive<T>) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    let (least, most) = (range.start(), range.end());
    raw.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("not a number in range (expected {least} to {most})"))
}

/// A time in whole seconds within a range.
///
/// # Errors
/// When it is not a number or outside the range.
pub fn seconds(raw: &str, range: RangeInclusive<u64>) -> Result<Duration, String> {
    number(raw, range).map(Duration::from_secs)
}

/// An address with a port to listen on; empty is none.
///
/// # Errors
/// When it is neither.
pub fn socket(raw: &str) -> Result<Option<SocketAddr>, String> {
    let Some(raw) = optional(raw)? else {
        return Ok(None);
    };
    raw.parse()
        .map(Some)
        .map_err(|_| "not an address and port (expected e.g. 127.0.0.1:8081)".to_owned())
}

/// Address ranges in CIDR form, separated by commas; a bare address is a range
/// of one. Empty means "not set".
///
/// # Errors
/// When an item is neither an address nor a range.
pub fn networks(raw: &str) -> Result<Option<Vec<IpNet>>, String> {
    if raw.trim().is_empty() {
        return Ok(None);
    }
    let networks: Vec<_> = items(raw).map(network).collect::<Result<_, _>>()?;
    if networks.is_empty() {
        return Err("holds no address (expected e.g. 185.45.152.42,3.104.90.0/24)".to_owned());
    }
    Ok(Some(networks))
}

fn network(item: &str) -> Result<IpNet, String> {
    let parsed = match item.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => item.parse::<IpNet>(),
    };
    parsed.map(canonical).map_err(|_| {
        format!(
            "{item:?} is not an address range \
             (expected e.g. 185.45.152.42, 3.104.90.0/24 or 2001:db8::/32)"
        )
    })
}

/// An IPv4 range written as IPv4-mapped IPv6 is the IPv4 range, because client
/// addresses are compared in that form too.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else {
        return network;
    };
    let mapped = v6.addr().to_ipv4_mapped();
    let length = v6.prefix_len().checked_sub(96);
    match (mapped, length) {
        (Some(address), Some(length)) => Ipv4Net::new(address, length).map_or(network, IpNet::V4),
        _ => network,
    }
}

/// Where an API is, without a `/` at the end; paths are put behind it.
///
/// # Errors
/// When it is none; `example` is one.
pub fn base_url(raw: &str, example: &str) -> Result<Url, String> {
    let expected = format!("expected where the API is, e.g. {example}");
    let url =
        Url::parse(raw.trim_end_matches('/')).map_err(|error| format!("{error} ({expected})"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("neither http nor https ({expected})"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!(
            "holds a user, which the API has no use for ({expected})"
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("holds a ? or # ({expected})"));
    }
    Ok(url)
}

/// URL paths, separated by commas; empty means "not set".
///
/// # Errors
/// When an item does not start with `/` or could not stand in a request line.
pub fn url_paths(raw: &str) -> Result<Option<Vec<String>>, String> {
    if raw.trim().is_empty() {
        return Ok(None);
    }
    let path = |item: &str| {
        let plain = item.bytes().all(|byte| byte.is_ascii_graphic());
        if item.starts_with('/') && plain && !item.contains(['?', '#']) {
            Ok(item.to_owned())
        } else {
            Err(format!(
                "{item:?} is not a path (expected e.g. /hook/1, without ? and blanks)"
            ))
        }
    };
    items(raw).map(path).collect::<Result<_, _>>().map(Some)
}

/// `key=value` pairs, separated by commas; the first `=` of a pair divides it.
///
/// # Errors
/// When an item has no `=` or no key.
pub fn pairs(raw: &str) -> Result<Vec<(String, String)>, String> {
    items(raw)
        .zip(1..)
        .map(|(item, number)| {
            // Which one, but not what: it may be a secret.
            pair(item)
                .map_err(|_| format!("item {number} is not a pair (expected key=value,key=value)"))
        })
        .collect()
}

/// One `key=value`.
///
/// # Errors
/// When there is no `=` or no key.
pub fn pair(item: &str) -> Result<(String, String), String> {
    match item.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("{item:?} is not a pair (expected key=value)")),
    }
}

fn items(raw: &str) -> impl Iterator<Item = &str> {
    raw.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// The name of a dialplan context.
///
/// # Errors
/// When it is empty, too long for Asterisk, or could end the `Channel:` line
/// of a call file early.
pub fn context(raw: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.+".contains(&byte);
    if raw.is_empty() || raw.len() > CONTEXT_MAX || !raw.bytes().all(allowed) {
        return Err(format!(
            "not a context name (expected 1 to {CONTEXT_MAX} letters, digits and _ - . +)"
        ));
    }
    Ok(raw.to_owned())
}

/// An absolute path.
///
/// # Errors
/// When it is relative or empty.
pub fn directory(raw: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(raw);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err("not an absolute path (expected one that starts with /)".to_owned())
    }
}

/// An absolute path; empty means "not set".
///
/// # Errors
/// When it is relative or holds control characters.
pub fn optional_path(raw: &str) -> Result<Option<PathBuf>, String> {
    optional(raw)?.map(|raw| directory(&raw)).transpose()
}

/// A name of an HTTP header, also in CGI's spelling: `HTTP_X_FORWARDED_FOR` is
/// `X-Forwarded-For`.
///
/// # Errors
/// When no header could have that name (RFC 9110, section 5.6.2).
pub fn header_name(raw: &str) -> Result<String, String> {
    let name = raw
        .strip_prefix("HTTP_")
        .map_or_else(|| raw.to_owned(), |name| name.replace('_', "-"));
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err("not a header name (expected e.g. HTTP_X_FORWARDED_FOR)".to_owned());
    }
    Ok(name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_takes_addresses_and_ranges() {
        let parsed = networks(" 185.45.152.42, 3.104.90.0/24 ,2001:db8::/32,0.0.0.0/0,::/0,")
            .unwrap()
            .unwrap();
        let shown: Vec<_> = parsed.iter().map(ToString::to_string).collect();
        let expected = [
            "185.45.152.42/32",
            "3.104.90.0/24",
            "2001:db8::/32",
            "0.0.0.0/0",
            "::/0",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn networks_canonicalises_mapped_ranges() {
        let parsed = networks("::ffff:10.0.0.0/104").unwrap().unwrap();
        assert_eq!(parsed, ["10.0.0.0/8".parse::<IpNet>().unwrap()]);
    }

    #[test]
    fn networks_names_the_bad_item() {
        for bad in [
            "1.2.3",
            "1.2.3.4/33",
            "::/129",
            "1.2.3.4/abc",
            "host",
            "1.2.3.4 5.6.7.8",
        ] {
            let message = networks(&format!("10.0.0.0/8,{bad}")).unwrap_err();
            assert!(
                message.starts_with(&format!("{bad:?} is not an address range")),
                "{message}"
            );
        }
        assert!(networks(",").is_err());
        assert_eq!(networks("").unwrap(), None);
    }

    #[test]
    fn base_url_has_a_scheme_and_nothing_behind_the_prefix() {
        for (raw, expected) in [
            (
                "http://192.0.2.1:5000/api/v1",
                "http://192.0.2.1:5000/api/v1",
            ),
            ("https://h/api/v1//", "https://h/api/v1"),
            ("https://h", "https://h/"),
        ] {
            assert_eq!(
                base_url(raw, "http://192.0.2.1").unwrap().as_str(),
                expected
            );
        }
        for bad in [
            "",
            "h/api",
            "192.0.2.1:5000/api",
            "ftp://h",
            "http://u:p@h",
            "http://h/?a",
        ] {
            assert!(
                base_url(bad, "http://192.0.2.1")
                    .unwrap_err()
                    .contains("http://192.0.2.1"),
                "{bad}"
            );
        }
    }

    #[test]
    fn pair_divides_at_the_first_equals_sign() {
        assert_eq!(pair("k=a=b"), Ok(("k".to_owned(), "a=b".to_owned())));
        assert!(pair("k").is_err());
        assert!(pair("=v").is_err());
    }

    #[test]
    fn header_name_reads_the_cgi_spelling() {
        assert_eq!(
            header_name("HTTP_X_FORWARDED_FOR").unwrap(),
            "x-forwarded-for"
        );
        assert_eq!(header_name("Forwarded").unwrap(), "forwarded");
        assert!(header_name("X Forwarded").is_err());
        assert!(header_name("").is_err());
    }

    #[test]
    fn context_that_could_leave_its_line_is_refused() {
        assert!(context("dp_entry_channel_open").is_ok());
        for bad in ["", "a b", "a/n", "a@b", "a;b", "a\nb", &"x".repeat(80)] {
            assert!(context(bad).is_err(), "{bad:?}");
        }
    }
}
