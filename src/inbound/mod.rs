//! From a provider's request to a stored message.
//!
//! A request is judged in this order, and refused at the first step that says
//! no: [`crate::http::server::client_address`] finds the client's address, [`endpoint`] the interface, then
//! method and size, [`auth`] says whether it is the provider's, [`decode`]
//! reads the body, [`extract`] finds the messages in its [`record`]s and what is
//! a receipt, [`dedupe`] knows which of them came before. Only when the spool
//! says that they are durable is the answer 200. What the peer is told is in
//! [`reply`]; the reason is in the log.
//!
//! [`handler`] takes a request through these steps; connections are the
//! [`door`](crate::http::server)'s.

pub(crate) mod auth;
pub(crate) mod decode;
pub(crate) mod dedupe;
pub(crate) mod endpoint;
pub(crate) mod extract;
pub(crate) mod handler;
mod receipt;
pub(crate) mod record;
pub(crate) mod reply;
mod store;
pub(crate) mod whatsapp_message;

pub(crate) use handler::{ReceiptRecorder, WebhookHandler, authenticator};
