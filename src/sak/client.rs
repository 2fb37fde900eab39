//! The gateway as an API: where it is, and what is said when it does not answer.

use crate::config::Whatsapp;
use crate::http::client::json_api::{Client, ClientError, Complaint, Dialect};
use crate::sak::response;

/// Prepares connections; makes none.
///
/// # Errors
/// When the certificates cannot be had.
pub fn client(whatsapp: &Whatsapp) -> Result<Client, ClientError> {
    let (url, timeout) = (whatsapp.url.clone(), whatsapp.timeout);
    Client::new(url, timeout, whatsapp.ca_file.as_deref(), &SAK)
}

static SAK: Dialect = Dialect {
    judge: response::judge,
    broken_off: Complaint {
        words: "the gateway broke off",
        remedy: "see its log, and whether url in [whatsapp] is http where it should be https",
    },
    endless: Complaint {
        words: "the answer does not end",
        remedy: "see url in [whatsapp], and that it is the gateway which is there",
    },
    late: Complaint {
        words: "the gateway did not answer in time",
        remedy: "see its log; timeout in [whatsapp] is how long it may take",
    },
    unconnected: Complaint {
        words: "there is no connection to the gateway",
        remedy: "see that it runs, and url in [whatsapp], also whether that is http or https",
    },
    untrusted: Complaint {
        words: "the gateway cannot be trusted",
        remedy: "see that it speaks https, and its certificate; ca_file in [whatsapp] names an \
                 authority of your own",
    },
    unwritable: Complaint {
        words: "the request cannot be written",
        remedy: "see token, keys and session in [whatsapp], which hold what no header can",
    },
};
