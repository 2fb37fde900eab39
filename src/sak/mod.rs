//! The account chores of a WhatsApp gateway that speaks the SAK WhatsApp API:
//! its user logs in, makes sessions (a phone each), has the phone scan a code,
//! and says where messages are posted to.
//!
//! Messages themselves do not pass here: they go by [`crate::outbound`] and
//! [`crate::inbound`] as with any provider. [`request`] decides what is asked and
//! under which credential, [`response`] what the gateway said, [`error_codes`] why it did
//! not do it, [`qr`] how a code looks; [`client`] says to [`crate::http::client::json_api`], which
//! does the asking, what is this API's own. Nothing here logs, and keys appear
//! only where they are shown once because nobody can get them again.

pub(crate) mod client;
pub(crate) mod error_codes;
pub(crate) mod qr;
pub(crate) mod request;
pub(crate) mod response;
