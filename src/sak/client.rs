//! The gateway as an API: where it is, and what is said when it does not answer.

use crate::config::SakSettings;
use crate::http::client::json_api::{ApiClient, ApiClientError, ApiProfile, ErrorText};
use crate::sak::response;

/// Prepares connections; makes none.
///
/// # Errors
/// When the certificates cannot be had.
pub(crate) fn client(whatsapp: &SakSettings) -> Result<ApiClient, ApiClientError> {
    let (url, timeout) = (whatsapp.url.clone(), whatsapp.timeout);
    ApiClient::new(url, timeout, whatsapp.ca_file.as_deref(), &SAK)
}

static SAK: ApiProfile = ApiProfile {
    parse_response: response::parse,
    connection_lost: ErrorText {
        summary: "the gateway broke off",
        remedy: "see its log, and whether url in [whatsapp] is http where it should be https",
    },
    too_large: ErrorText {
        summary: "the answer does not end",
        remedy: "see url in [whatsapp], and that it is the gateway which is there",
    },
    timed_out: ErrorText {
        summary: "the gateway did not answer in time",
        remedy: "see its log; timeout in [whatsapp] is how long it may take",
    },
    no_connection: ErrorText {
        summary: "there is no connection to the gateway",
        remedy: "see that it runs, and url in [whatsapp], also whether that is http or https",
    },
    untrusted: ErrorText {
        summary: "the gateway cannot be trusted",
        remedy: "see that it speaks https, and its certificate; ca_file in [whatsapp] names an \
                 authority of your own",
    },
    invalid_request: ErrorText {
        summary: "the request cannot be written",
        remedy: "see token, keys and session in [whatsapp], which hold what no header can",
    },
};
