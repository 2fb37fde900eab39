//! The connections of a server: how many there may be, for whom, and which one
//! makes room for another.
//!
//! A connection that waits for a request has cost its peer nothing. When the places
//! are taken, the one that has waited longest is closed for the new one.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::http::server::recent::RecentAddresses;

/// Addresses that are remembered because messages came from there.
const RECENT_MAX: usize = 1024;

/// How many connections a server has. All servers together must leave some file
/// descriptors to files and to requests that go out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionLimits {
    /// In all.
    pub max: usize,
    /// Of these, kept free for trusted proxies and for addresses that accepted
    /// messages came from.
    pub reserved: usize,
    /// From one address, or one IPv6 network.
    pub per_address: usize,
    /// From one that accepted messages came from.
    pub per_recent_address: usize,
    /// Beyond these, how many wait for a place for a moment.
    pub waiting: usize,
    /// Beyond these, how many are being turned away.
    pub refused: usize,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum NoPlace {
    #[error("its address has too many connections")]
    Address,
    #[error("there are too many connections")]
    Full,
}

/// A peer, as far as places are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub network: IpAddr,
    /// Whether its connections count for its network.
    pub counted: bool,
    pub proxy: bool,
}

/// The open connections of a server.
#[derive(Debug)]
pub(crate) struct ConnectionTable {
    limits: ConnectionLimits,
    open: Mutex<Open>,
    /// A place may be free.
    freed: Notify,
}

#[derive(Debug)]
struct Open {
    connections: BTreeMap<u64, Connection>,
    /// Requests in progress of clients behind proxies.
    requests: HashMap<IpAddr, usize>,
    recent: RecentAddresses,
    events: u64,
}

#[derive(Debug)]
struct Connection {
    origin: Origin,
    /// Whether it may have a reserved place.
    privileged: bool,
    /// Since which event it has waited for a request.
    waiting_since: Option<u64>,
    evicted: Arc<Notify>,
}

impl ConnectionTable {
    pub(crate) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            open: Mutex::new(Open::new()),
            freed: Notify::new(),
        })
    }

    pub(crate) fn limits(&self) -> &ConnectionLimits {
        &self.limits
    }

    /// Takes a place, perhaps that of a connection that waits for a request.
    ///
    /// # Errors
    /// When all are in use.
    pub(crate) fn take(self: &Arc<Self>, origin: Origin) -> Result<Place, NoPlace> {
        let (id, evicted) = self.open.lock().take(&self.limits, origin)?;
        Ok(Place {
            table: Arc::clone(self),
            id,
            network: origin.network,
            evicted,
        })
    }

    /// Takes a place within `patience`.
    ///
    /// # Errors
    /// When none has become free.
    pub(crate) async fn take_within(
        self: &Arc<Self>,
        origin: Origin,
        patience: Duration,
    ) -> Result<Place, NoPlace> {
        let end = Instant::now() + patience;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // A place that becomes free from here on is noticed.
            freed.as_mut().enable();
            let taken = self.take(origin);
            if taken.is_ok() || timeout_at(end, freed).await.is_err() {
                return taken;
            }
        }
    }

    /// Begins a request of a client behind a proxy.
    ///
    /// # Errors
    /// When it has too many in progress.
    pub(crate) fn begin_request(self: &Arc<Self>, client: IpAddr) -> Result<RequestPlace, NoPlace> {
        self.open.lock().begin_request(&self.limits, client)?;
        Ok(RequestPlace {
            table: Arc::clone(self),
            client,
        })
    }

    /// Remembers a client behind a proxy, from which an accepted message came.
    pub(crate) fn note_client(&self, client: IpAddr) {
        self.open.lock().recent.note(client);
    }
}

/// The place of a connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    table: Arc<ConnectionTable>,
    id: u64,
    network: IpAddr,
    evicted: Arc<Notify>,
}

impl Place {
    /// A request is in progress: the connection keeps its place.
    pub(crate) fn begin(&self) {
        self.table.open.lock().set_waiting(self.id, false);
    }

    /// The connection waits for a request.
    pub(crate) fn rest(&self) {
        self.table.open.lock().set_waiting(self.id, true);
        self.table.freed.notify_waiters();
    }

    /// Remembers the peer, from which an accepted message came.
    pub(crate) fn note_peer(&self) {
        let mut open = self.table.open.lock();
        open.recent.note(self.network);
        if let Some(connection) = open.connections.get_mut(&self.id) {
            connection.privileged = true;
        }
    }

    /// Waits until another connection has taken the place.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.open.lock().connections.remove(&self.id);
        self.table.freed.notify_waiters();
    }
}

/// The place of a request behind a proxy, until it is dropped.
#[derive(Debug)]
pub(crate) struct RequestPlace {
    table: Arc<ConnectionTable>,
    client: IpAddr,
}

impl Drop for RequestPlace {
    fn drop(&mut self) {
        self.table.open.lock().end_request(self.client);
    }
}

impl Open {
    fn new() -> Self {
        Self {
            connections: BTreeMap::new(),
            requests: HashMap::new(),
            recent: RecentAddresses::new(RECENT_MAX),
            events: 0,
        }
    }

    fn take(
        &mut self,
        limits: &ConnectionLimits,
        origin: Origin,
    ) -> Result<(u64, Arc<Notify>), NoPlace> {
        let recent = self.recent.contains(origin.network);
        let privileged = origin.proxy || recent;
        if origin.counted {
            let same = |it: &Connection| it.origin.counted && it.origin.network == origin.network;
            let max = limits.per(recent);
            self.make_room(max, same)
                .map_err(|Taken| NoPlace::Address)?;
        }
        let ordinary = |it: &Connection| !it.privileged;
        if !privileged {
            let max = limits.max.saturating_sub(limits.reserved);
            self.make_room(max, ordinary)
                .map_err(|Taken| NoPlace::Full)?;
        }
        if self.connections.len() >= limits.max {
            let evicted = self.evict(ordinary).or_else(|Taken| self.evict(|_| true));
            evicted.map_err(|Taken| NoPlace::Full)?;
        }
        let id = self.next_event();
        let evicted = Arc::new(Notify::new());
        let connection = Connection {
            origin,
            privileged,
            waiting_since: Some(id),
            evicted: Arc::clone(&evicted),
        };
        self.connections.insert(id, connection);
        Ok((id, evicted))
    }

    /// Makes sure that of these connections there are fewer than `max`.
    fn make_room(&mut self, max: usize, of: impl Fn(&Connection) -> bool) -> Result<(), Taken> {
        if self.connections.values().filter(|it| of(it)).count() < max {
            return Ok(());
        }
        self.evict(of)
    }

    /// Evicts the one of these connections that has waited longest for a request.
    fn evict(&mut self, of: impl Fn(&Connection) -> bool) -> Result<(), Taken> {
        let candidates = self.connections.iter().filter(|(_, it)| of(it));
        let waiting = candidates.filter_map(|(id, it)| Some((it.waiting_since?, *id)));
        let (_, id) = waiting.min().ok_or(Taken)?;
        if let Some(connection) = self.connections.remove(&id) {
            connection.evicted.notify_one();
        }
        Ok(())
    }

    /// Notes whether a connection waits for a request. One that was evicted has no
    /// place any more.
    fn set_waiting(&mut self, id: u64, waiting: bool) {
        let event = self.next_event();
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.waiting_since = waiting.then_some(event);
        }
    }

    fn begin_request(&mut self, limits: &ConnectionLimits, client: IpAddr) -> Result<(), NoPlace> {
        let max = limits.per(self.recent.contains(client));
        let requests = self.requests.entry(client).or_default();
        if *requests >= max {
            return Err(NoPlace::Address);
        }
        *requests += 1;
        Ok(())
    }

    fn end_request(&mut self, client: IpAddr) {
        if let Some(requests) = self.requests.get_mut(&client) {
            *requests -= 1;
            if *requests == 0 {
                self.requests.remove(&client);
            }
        }
    }

    fn next_event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }
}

/// None of the connections waits for a request.
#[derive(Debug)]
struct Taken;

impl ConnectionLimits {
    fn per(&self, recent: bool) -> usize {
        if recent {
            self.per_recent_address
        } else {
            self.per_address
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        max: 6,
        reserved: 2,
        per_address: 2,
        per_recent_address: 3,
        waiting: 0,
        refused: 0,
    };

    fn from(host: u8) -> Origin {
        Origin {
            network: [192, 0, 2, host].into(),
            counted: true,
            proxy: false,
        }
    }

    fn proxy() -> Origin {
        Origin {
            network: [10, 0, 0, 1].into(),
            counted: false,
            proxy: true,
        }
    }

    /// A place whose connection has a request in progress.
    fn busy(table: &Arc<ConnectionTable>, origin: Origin) -> Result<Place, NoPlace> {
        let place = table.take(origin)?;
        place.begin();
        Ok(place)
    }

    async fn is_evicted(place: &Place) -> bool {
        tokio::time::timeout(Duration::ZERO, place.evicted())
            .await
            .is_ok()
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn address_has_a_share_of_the_places() {
        let table = ConnectionTable::new(LIMITS);
        let first = busy(&table, from(1)).unwrap();
        let _second = busy(&table, from(1)).unwrap();
        assert_eq!(busy(&table, from(1)).unwrap_err(), NoPlace::Address);
        let _other = busy(&table, from(2)).unwrap();
        drop(first);
        let _third = busy(&table, from(1)).unwrap();
        assert_eq!(busy(&table, from(1)).unwrap_err(), NoPlace::Address);
    }

    #[test]
    fn reserved_places_are_for_proxies_and_recent_addresses() {
        let table = ConnectionTable::new(LIMITS);
        busy(&table, from(9)).unwrap().note_peer();
        let ordinary: Vec<_> = (1..=4).map(|host| busy(&table, from(host))).collect();
        assert!(ordinary.iter().all(Result::is_ok));
        assert_eq!(busy(&table, from(5)).unwrap_err(), NoPlace::Full);
        let _recent = busy(&table, from(9)).unwrap();
        let _proxy = busy(&table, proxy()).unwrap();
        assert_eq!(busy(&table, proxy()).unwrap_err(), NoPlace::Full);
        assert_eq!(busy(&table, from(9)).unwrap_err(), NoPlace::Full);
    }

    #[test]
    fn connection_that_waits_longest_makes_room() {
        run(async {
            let table = ConnectionTable::new(LIMITS);
            let places: Vec<_> = (1..=4)
                .map(|host| table.take(from(host)).unwrap())
                .collect();
            places[0].begin();
            places[1].begin();
            places[1].rest();
            let new = table.take(from(5)).unwrap();
            // The third has waited since it came, the second since its request.
            assert!(is_evicted(&places[2]).await);
            for place in [&places[0], &places[1], &places[3], &new] {
                assert!(!is_evicted(place).await);
            }
            // An evicted one gives back nothing that another has.
            places[2].begin();
            drop(places);
            assert_eq!(table.open.lock().connections.len(), 1);
        });
    }

    #[test]
    fn silent_connections_of_others_stay_when_an_address_has_its_share() {
        run(async {
            let table = ConnectionTable::new(LIMITS);
            let other = table.take(from(2)).unwrap();
            let first = table.take(from(1)).unwrap();
            let second = table.take(from(1)).unwrap();
            let _third = table.take(from(1)).unwrap();
            assert!(is_evicted(&first).await);
            assert!(!is_evicted(&other).await && !is_evicted(&second).await);
        });
    }

    #[test]
    fn recent_address_has_a_larger_share_also_behind_a_proxy() {
        let table = ConnectionTable::new(LIMITS);
        let client = from(1).network;
        let begin = || table.begin_request(client);
        let requests = [begin().unwrap(), begin().unwrap()];
        assert_eq!(begin().unwrap_err(), NoPlace::Address);
        table.note_client(client);
        let third = begin().unwrap();
        assert_eq!(begin().unwrap_err(), NoPlace::Address);
        drop((requests, third));
        assert!(table.open.lock().requests.is_empty());
    }

    #[test]
    fn place_that_becomes_free_is_waited_for() {
        run(async {
            let table = ConnectionTable::new(LIMITS);
            let hour = Duration::from_secs(3600);
            let places = [busy(&table, from(1)), busy(&table, from(1))];
            let none = table.take_within(from(1), Duration::ZERO).await;
            assert_eq!(none.unwrap_err(), NoPlace::Address);
            let waiting = table.take_within(from(1), hour);
            let freeing = async { drop(places) };
            let (taken, ()) = tokio::join!(waiting, freeing);
            assert!(taken.is_ok());
        });
    }
}
