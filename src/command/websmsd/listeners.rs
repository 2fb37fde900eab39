//! The ports that the daemon listens at, taken before anything else is touched.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::cli::WebsmsdOptions;
use crate::command::websmsd::StartFailure;
use crate::config::Config;
use crate::logging::chain;

/// The bound sockets of all servers.
pub(super) struct Listeners {
    pub(super) webhooks: TcpListener,
    pub(super) health: Option<TcpListener>,
    pub(super) agi: Option<TcpListener>,
    pub(super) otp: Option<TcpListener>,
}

impl Listeners {
    pub(super) fn open(options: &WebsmsdOptions, config: &Config) -> Result<Self, StartFailure> {
        let address = options
            .listen
            .unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, options.port)));
        let listen = |address: SocketAddr, problem| {
            TcpListener::bind(address).map_err(|error| StartFailure {
                problem,
                detail: format!("{address}: {}", chain(&error)),
            })
        };
        let if_wanted = |address: Option<SocketAddr>, problem| {
            address.map(|address| listen(address, problem)).transpose()
        };
        Ok(Self {
            webhooks: listen(address, "cannot listen")?,
            health: if_wanted(config.server.health, "cannot listen at health_listen")?,
            agi: if_wanted(config.server.agi, "cannot listen at agi_listen")?,
            otp: if_wanted(
                config.otp.as_ref().map(|otp| otp.listen),
                "cannot listen at listen of [otp]",
            )?,
        })
    }
}
