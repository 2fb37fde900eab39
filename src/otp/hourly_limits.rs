//! Limits the codes that each client, and all clients together, request within an
//! hour.
//!
//! It is counted in memory: a restart forgets it. The limit of each phone, which
//! is stored, bounds the cost all the same.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::http::server::client_address::network;
use crate::otp::phone_state::PERIOD;
use crate::resilience::rate_limit::{KeyedRateLimit, SlidingWindow};

/// Codes that are allowed within an hour; `None` sets no limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HourlyMax {
    pub per_client: Option<u32>,
    /// For all clients and phones together.
    pub in_all: Option<u32>,
}

/// A limit that is reached, and how long it takes until one more code is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitReached {
    InAll(Duration),
    PerClient(Duration),
}

#[derive(Debug)]
pub(crate) struct HourlyLimits(Mutex<Counted>);

#[derive(Debug)]
struct Counted {
    clients: KeyedRateLimit<IpAddr>,
    all: SlidingWindow<Instant>,
}

impl Default for HourlyLimits {
    fn default() -> Self {
        Self(Mutex::new(Counted {
            clients: KeyedRateLimit::new(PERIOD),
            all: SlidingWindow::default(),
        }))
    }
}

impl HourlyLimits {
    /// Counts one more code of a client, unless a limit was reached within the last
    /// hour. What has no limit is not counted.
    ///
    /// # Errors
    /// Which limit was reached.
    pub(crate) fn count(
        &self,
        client: IpAddr,
        max: HourlyMax,
        now: Instant,
    ) -> Result<(), LimitReached> {
        let Counted { clients, all } = &mut *self.0.lock();
        let per_client = max.per_client.and_then(|max| usize::try_from(max).ok());
        if let Some(max) = per_client {
            let counted = clients.admit(group(client), max, now);
            counted.map_err(LimitReached::PerClient)?;
        }
        let Some(max) = max.in_all.and_then(|max| usize::try_from(max).ok()) else {
            return Ok(());
        };
        all.admit(max, PERIOD, now).map_err(|wait| {
            if per_client.is_some() {
                clients.revoke(&group(client));
            }
            LimitReached::InAll(wait)
        })
    }

    /// Takes back a code that was counted and surely not sent.
    pub(crate) fn uncount(&self, client: IpAddr) {
        let Counted { clients, all } = &mut *self.0.lock();
        clients.revoke(&group(client));
        all.revoke_last();
    }
}

/// The client that an address belongs to. Each program of this machine has all of
/// 127.0.0.0/8 and `::1`.
fn group(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        address if address.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        address => network(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a client must wait, if a code is not allowed.
    fn count(limits: &HourlyLimits, client: &str, max: HourlyMax, now: Instant) -> Option<u64> {
        let counted = limits.count(client.parse().unwrap(), max, now);
        let (LimitReached::InAll(wait) | LimitReached::PerClient(wait)) = counted.err()?;
        Some(wait.as_secs())
    }

    fn per_client(max: u32) -> HourlyMax {
        HourlyMax {
            per_client: Some(max),
            in_all: None,
        }
    }

    #[test]
    fn codes_of_a_client_are_counted_for_an_hour() {
        const NONE: HourlyMax = HourlyMax {
            per_client: None,
            in_all: None,
        };
        let limits = HourlyLimits::default();
        let start = Instant::now();
        let count = |client: &str, max, passed| {
            count(&limits, client, max, start + Duration::from_secs(passed))
        };
        assert_eq!(count("192.0.2.1", per_client(2), 0), None);
        assert_eq!(count("192.0.2.1", per_client(2), 1), None);
        assert_eq!(count("192.0.2.1", per_client(2), 2), Some(3598));
        assert_eq!(count("192.0.2.2", per_client(2), 2), None);
        assert_eq!(count("192.0.2.1", NONE, 2), None);
        assert_eq!(count("192.0.2.1", per_client(2), 3600), None);
        assert_eq!(count("192.0.2.1", per_client(2), 3600), Some(1));
        limits.uncount("192.0.2.1".parse().unwrap());
        limits.uncount("192.0.2.9".parse().unwrap());
        assert_eq!(count("192.0.2.1", per_client(2), 3600), None);
    }

    #[test]
    fn addresses_of_one_network_or_this_machine_are_one_client() {
        let limits = HourlyLimits::default();
        let now = Instant::now();
        for (client, allowed) in [
            ("2001:db8::1", true),
            ("2001:db8::2", false),
            ("2001:db8:0:1::1", true),
            ("::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.2", true),
            ("192.0.2.1", false),
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("127.255.255.254", false),
            ("::ffff:127.0.0.9", false),
            ("::1", false),
            ("128.0.0.1", true),
        ] {
            let wait = count(&limits, client, per_client(1), now);
            assert_eq!(wait.is_none(), allowed, "{client}");
        }
    }

    #[test]
    fn codes_of_all_clients_together_are_counted() {
        let limits = HourlyLimits::default();
        let now = Instant::now();
        let max = HourlyMax {
            per_client: Some(2),
            in_all: Some(3),
        };
        let count = |client: &str| limits.count(client.parse().unwrap(), max, now);
        assert_eq!(count("192.0.2.1"), Ok(()));
        assert_eq!(count("192.0.2.1"), Ok(()));
        assert_eq!(count("192.0.2.1"), Err(LimitReached::PerClient(PERIOD)));
        assert_eq!(count("192.0.2.2"), Ok(()));
        // What all clients may not have does not count for one of them.
        for _ in 0..3 {
            assert_eq!(count("192.0.2.3"), Err(LimitReached::InAll(PERIOD)));
        }
        limits.uncount("192.0.2.1".parse().unwrap());
        assert_eq!(count("192.0.2.3"), Ok(()));
        assert_eq!(count("192.0.2.3"), Err(LimitReached::InAll(PERIOD)));
    }
}
