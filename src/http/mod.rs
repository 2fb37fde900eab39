//! HTTP servers and clients.
//!
//! [`server`] receives requests: connection limits, deadlines, the client's
//! address behind proxies. [`client`] makes them: TLS, timeouts, redaction.
//! [`safe_fetch`] makes those whose URL a stranger has chosen.

pub(crate) mod client;
pub(crate) mod safe_fetch;
pub(crate) mod server;
