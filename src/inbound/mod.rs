//! From a provider's webhook to a stored message.
//!
//! [`handler`] takes a request through these steps; the first one that refuses
//! it ends it:
//!
//! 1. the client's address ([`crate::http::server::client_address`]),
//! 2. the interface, by address and path ([`endpoint`], [`path_template`]),
//! 3. method, size and body, read once ([`request`], [`decode`]); a [`probe`] ends
//!    here,
//! 4. signature or token ([`auth`]),
//! 5. messages and receipts ([`extract`], [`record`], [`sender`], [`shape`],
//!    [`receipt`], [`whatsapp_message`]),
//! 6. ids that were stored before ([`dedupe`]), pictures, spool ([`store`]).
//!
//! An [`observer`] is notified of messages and receipts.
//!
//! The response is 200 only when the spool reports that the messages are durable.
//! [`reply`] has the responses to refused requests; the reason is only in the log.

pub(crate) mod auth;
mod content_coding;
pub(crate) mod decode;
pub(crate) mod dedupe;
pub(crate) mod endpoint;
pub(crate) mod extract;
pub(crate) mod handler;
pub(crate) mod observer;
mod pairs;
pub(crate) mod path_template;
pub(crate) mod probe;
pub(crate) mod receipt;
pub(crate) mod record;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod sender;
pub(crate) mod shape;
pub(crate) mod store;
pub(crate) mod whatsapp_message;

pub(crate) use handler::WebhookHandler;
pub(crate) use store::MessageStore;
