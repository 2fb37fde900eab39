//! Describes the gateway's API to the JSON client.

use crate::config::SakSettings;
use crate::http::client::json_api::{ApiClient, ApiClientError, ApiProfile, ErrorText};
use crate::sak::response;

/// Prepares connections; makes none.
///
/// # Errors
/// When certificates cannot be read.
pub(crate) fn client(settings: &SakSettings) -> Result<ApiClient, ApiClientError> {
    let (url, timeout) = (settings.url.clone(), settings.timeout);
    ApiClient::new(url, timeout, settings.ca_file.as_deref(), &SAK)
}

static SAK: ApiProfile = ApiProfile {
    parse_response: response::parse,
    connection_lost: ErrorText {
        summary: "the gateway closed the connection",
        remedy: "see its log, and check whether url in [whatsapp] is http where it should be https",
    },
    too_large: ErrorText {
        summary: "the response does not end",
        remedy: "check url in [whatsapp]: the server may not be the gateway",
    },
    timed_out: ErrorText {
        summary: "the gateway did not answer in time",
        remedy: "see its log; timeout in [whatsapp] is the limit",
    },
    no_connection: ErrorText {
        summary: "no connection to the gateway",
        remedy: "check that it runs, and url in [whatsapp], also whether that is http or https",
    },
    untrusted: ErrorText {
        summary: "the gateway cannot be trusted",
        remedy: "check that it speaks https, and its certificate; ca_file in [whatsapp] can name an \
                 authority of your own",
    },
    invalid_request: ErrorText {
        summary: "the request cannot be written",
        remedy: "check token, keys and session in [whatsapp]: one holds a character that no header can",
    },
};
