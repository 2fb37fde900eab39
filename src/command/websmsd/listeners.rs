//! The ports that the daemon listens at, taken before anything else is touched, and
//! the file descriptors for their connections.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::cli::WebsmsdOptions;
use crate::command::websmsd::StartFailure;
use crate::config::Config;
use crate::logging::chain;

/// Connections that the kernel holds until they are accepted, which is at once: a
/// burst must not make it drop some, which their clients would repeat a second later.
const BACKLOG: i32 = 4096;

/// File descriptors: all servers have up to 1,300 connections, those that are turned
/// away included, and there must be some for files and for requests that go out.
const DESCRIPTORS: u64 = 4096;

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
            let bound = TcpListener::bind(address).and_then(|listener| {
                // Once more, because the first time the backlog is 128.
                rustix::net::listen(&listener, BACKLOG)?;
                Ok(listener)
            });
            bound.map_err(|error| StartFailure {
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

/// Raises the limit of file descriptors as far as it may be: systemd gives a process
/// 1,024 to begin with, for programs that use `select`, which this is none of.
pub(super) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // `None` is no limit.
    let Some(current) = limit.current.filter(|current| *current < DESCRIPTORS) else {
        return;
    };
    let wanted = limit
        .maximum
        .map_or(DESCRIPTORS, |max| max.min(DESCRIPTORS));
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    };
    let raised = setrlimit(Resource::Nofile, raised);
    if raised.is_err() || wanted < DESCRIPTORS {
        let limit = if raised.is_ok() { wanted } else { current };
        warn!(
            limit,
            remedy = "LimitNOFILE=4096 in the unit, or ulimit -n",
            "few file descriptors"
        );
    }
}
