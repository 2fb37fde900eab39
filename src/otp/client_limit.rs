//! How many codes each client has had sent within the last hour.
//!
//! It is counted in memory: a restart forgets it, and what bounds the cost for a
//! phone, which is stored, goes on.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::otp::phone_state::WINDOW;

/// Clients after which those are looked for that have been quiet for an hour.
const TIDY: usize = 1024;

/// Counts for each client.
#[derive(Debug, Default)]
pub(crate) struct ClientLimit(Mutex<HashMap<IpAddr, VecDeque<Instant>>>);

impl ClientLimit {
    /// Counts one more code of a client, if there may be one; else for how long
    /// there may be none.
    ///
    /// # Errors
    /// When there were as many as there may be.
    pub(crate) fn count(
        &self,
        client: IpAddr,
        most: Option<u32>,
        now: Instant,
    ) -> Result<(), Duration> {
        let Some(most) = most else {
            return Ok(());
        };
        let window = Duration::from_millis(WINDOW);
        let old = |sent: &Instant| now.duration_since(*sent) >= window;
        // A panic elsewhere has ended the process.
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= TIDY {
            clients.retain(|_, sends| sends.back().is_some_and(|sent| !old(sent)));
        }
        let sends = clients.entry(network(client)).or_default();
        while sends.front().is_some_and(old) {
            sends.pop_front();
        }
        match sends.front() {
            Some(first) if sends.len() >= usize::try_from(most).unwrap_or(usize::MAX) => {
                Err(window.saturating_sub(now.duration_since(*first)))
            }
            _ => {
                sends.push_back(now);
                Ok(())
            }
        }
    }

    /// Takes back a code that was counted and not sent.
    pub(crate) fn uncount(&self, client: IpAddr) {
        // A panic elsewhere has ended the process.
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sends) = clients.get_mut(&network(client)) {
            sends.pop_back();
        }
    }
}

/// Whose address it is: whoever has an IPv6 address has 2^64 of them, but for those
/// that stand for IPv4 addresses where a socket takes both.
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
        let (start, hour) = (Instant::now(), Duration::from_millis(WINDOW));
        let count = |client: &str, most, passed| {
            clients.count(client.parse().unwrap(), most, start + passed)
        };
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

    #[test]
    fn quiet_clients_are_forgotten() {
        let clients = ClientLimit::default();
        let start = Instant::now();
        for client in 0..u32::try_from(TIDY).unwrap() {
            clients
                .count(IpAddr::V4(client.into()), Some(1), start)
                .unwrap();
        }
        let later = start + Duration::from_millis(WINDOW);
        clients
            .count("192.0.2.1".parse().unwrap(), Some(1), later)
            .unwrap();
        assert_eq!(clients.0.lock().unwrap().len(), 1);
    }
}
