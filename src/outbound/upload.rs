//! Fetches a picture that is sent as a file, and not by its URL.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::multipart::{Form, Part};
use tokio::time;

use crate::http::client::read_bounded;
use crate::http::safe_fetch::failure::FetchError;
use crate::http::safe_fetch::{SafeClient, transport_error};
use crate::logging::chain;
use crate::outbound::verdict::{Outcome, Reason, Verdict};

/// Largest file in bytes: WhatsApp's limit for a video.
const FILE_MAX: usize = 16 * 1024 * 1024;

/// Fetches a file within `timeout` and adds it to a form, under the name that its
/// URL ends with.
///
/// # Errors
/// The verdict on the message when the file cannot be fetched.
pub(super) async fn add_file(
    form: Form,
    field: String,
    url: &str,
    client: &SafeClient,
    timeout: Duration,
) -> Result<Form, Verdict> {
    let fetched = time::timeout(timeout, fetch(url, client)).await;
    let slow = |_| Err(FetchError::temporary("it took too long"));
    let part = fetched.unwrap_or_else(slow).map_err(|error| {
        // Nothing has been sent.
        let outcome = match error {
            FetchError::Permanent(_) => Outcome::Rejected,
            FetchError::Temporary(_) => Outcome::Failed,
        };
        Verdict::not_sent(outcome, Reason::NoPicture, chain(&error))
    })?;
    Ok(form.part(field, part))
}

async fn fetch(url: &str, client: &SafeClient) -> Result<Part, FetchError> {
    let mut response = client.get(url, &|_, _| None).await?;
    let content_type = response.headers().get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let content_type = content_type
        .unwrap_or("application/octet-stream")
        .to_owned();
    let file = read_bounded(&mut response, FILE_MAX).await;
    let file = file.map_err(|error| transport_error(&error))?;
    if !file.is_complete {
        return Err(FetchError::Permanent(format!(
            "it is larger than {FILE_MAX} bytes"
        )));
    }
    let part = Part::bytes(file.bytes).file_name(name(url));
    part.mime_str(&content_type)
        .map_err(|_| FetchError::permanent("its Content-Type is invalid"))
}

/// The last segment of a URL, without characters that a file system may mind.
fn name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    last.chars().filter(|c| harmless(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_named_after_the_end_of_its_url() {
        for (url, expected) in [
            ("https://example.com/a/b-1.jpg?x=/y.png#z", "b-1.jpg"),
            ("https://example.com/%0d%0a\"x.jpg", "0d0ax.jpg"),
            ("https://example.com/", ""),
        ] {
            assert_eq!(name(url), expected);
        }
    }
}
