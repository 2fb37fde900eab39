//! Limits the codes that each client requests within an hour.
//!
//! It is counted in memory: a restart forgets it. The limit of each phone, which
//! is stored, bounds the cost all the same.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::otp::phone_state::PERIOD;
use crate::resilience::rate_limit::KeyedRateLimit;

#[derive(Debug)]
pub(crate) struct ClientLimit(Mutex<KeyedRateLimit<IpAddr>>);

impl Default for ClientLimit {
    fn default() -> Self {
        Self(Mutex::new(KeyedRateLimit::new(PERIOD)))
    }
}

impl ClientLimit {
    /// Counts one more code of a client, unless `max` were sent within the last
    /// hour; without `max` nothing is counted.
    ///
    /// # Errors
    /// How long it takes until one more is allowed.
    pub(crate) fn count(
        &self,
        client: IpAddr,
        max: Option<u32>,
        now: Instant,
    ) -> Result<(), Duration> {
        let Some(max) = max.and_then(|max| usize::try_from(max).ok()) else {
            return Ok(());
        };
        self.0.lock().admit(network(client), max, now)
    }

    /// Takes back a code that was counted and surely not sent.
    pub(crate) fn uncount(&self, client: IpAddr) {
        self.0.lock().revoke(&network(client));
    }
}

/// The client that an address belongs to: one IPv6 client has the 2^64 addresses of
/// its network. IPv4 addresses written as IPv6 are IPv4 addresses.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_a_client_are_counted_for_an_hour() {
        let clients = ClientLimit::default();
        let (start, hour) = (Instant::now(), PERIOD);
        let count =
            |client: &str, max, passed| clients.count(client.parse().unwrap(), max, start + passed);
        let second = Duration::from_secs(1);
        assert_eq!(count("192.0.2.1", Some(2), Duration::ZERO), Ok(()));
        assert_eq!(count("192.0.2.1", Some(2), second), Ok(()));
        let refused = count("192.0.2.1", Some(2), 2 * second);
        assert_eq!(refused, Err(hour.saturating_sub(2 * second)));
        assert_eq!(count("192.0.2.2", Some(2), 2 * second), Ok(()));
        assert_eq!(count("192.0.2.1", None, 2 * second), Ok(()));
        assert_eq!(count("192.0.2.1", Some(2), hour), Ok(()));
        assert_eq!(count("192.0.2.1", Some(2), hour), Err(second));
        clients.uncount("192.0.2.1".parse().unwrap());
        clients.uncount("192.0.2.9".parse().unwrap());
        assert_eq!(count("192.0.2.1", Some(2), hour), Ok(()));
    }

    #[test]
    fn addresses_of_one_network_are_one_client() {
        let clients = ClientLimit::default();
        let now = Instant::now();
        let count = |client: &str| clients.count(client.parse().unwrap(), Some(1), now);
        assert!(count("2001:db8::1").is_ok());
        assert!(count("2001:db8::2").is_err());
        assert!(count("2001:db8:0:1::1").is_ok());
        assert!(count("::ffff:192.0.2.1").is_ok());
        assert!(count("::ffff:192.0.2.2").is_ok());
        assert!(count("192.0.2.1").is_err());
        assert!(count("::1").is_ok());
    }
}
