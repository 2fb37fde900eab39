//! From a provider's request to a stored message.
//!
//! A request is judged in this order, and refused at the first step that says
//! no: [`crate::http::server::client_address`] finds the client's address, [`route`] the interface, then
//! method and size, [`signature`] says whether it is the provider's, [`decode`]
//! reads the body, [`extract`] finds the messages in its [`element`]s and what is
//! a receipt, [`dedupe`] knows which of them came before. Only when the spool
//! says that they are durable is the answer 200. What the peer is told is in
//! [`reply`]; the reason is in the log.
//!
//! [`receiver`] takes a request through these steps; connections are the
//! [`door`](crate::http::server)'s.

pub mod decode;
pub mod dedupe;
pub mod element;
pub mod extract;
pub mod kinds;
mod receipt;
pub mod receiver;
pub mod reply;
pub mod route;
pub mod signature;
mod store;

pub use receiver::{Receiver, Recorder, guard};
