//! The administration API of WhatsApp gateways, the SAK WhatsApp API: log in, create
//! sessions (one for each phone), pair them with a phone by a QR code, and register
//! webhooks.
//!
//! Messages do not pass this module: they go through [`crate::outbound`] and
//! [`crate::inbound`] as with any provider. [`request`] builds requests and chooses
//! the credential, [`response`] reads responses, [`error_codes`] explains errors, and
//! [`qr`] draws QR codes. [`client`] describes the API to
//! [`crate::http::client::json_api`], which sends the requests. This module does not
//! log.

pub(crate) mod client;
pub(crate) mod error_codes;
pub(crate) mod qr;
pub(crate) mod request;
pub(crate) mod response;
