//! Clients, told apart by their address: how many connections each has open,
//! and how quickly each asks.
//!
//! An IPv4 address is a client, and so is an IPv6 /64, within which a host
//! chooses its addresses freely. What comes from this host itself (loopback,
//! Unix sockets) is exempt unless the options say otherwise: there it is a
//! proxy that speaks for all of its clients, or the administrator.
//!
//! Both limits are off by default. A laboratory or a campus behind one address
//! is one client here, and fetches an image on all of its machines at once.
//!
//! The rate is GCRA by `governor`. Its table is cleaned of who has been quiet
//! for long enough, and begun anew when more than [`CLIENTS_MAX`] were busy
//! within that time: a flood of addresses costs no memory, and gains a burst
//! for each of them.

use crate::server::Remote;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

/// Clients whose rate is remembered at most, about 100 bytes each.
pub(crate) const CLIENTS_MAX: usize = 65_536;
/// Requests after which the table is looked at, so that it cannot grow by more
/// than as many clients meanwhile.
const LOOK: usize = 16_384;

/// How quickly a client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second in the long run.
    pub per_second: NonZeroU32,
    /// Requests at once after a pause.
    pub burst: NonZeroU32,
}

/// What one client may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerClient {
    /// Connections at once; no limit if there is none.
    pub connections: Option<NonZeroU32>,
    /// How quickly it may ask; no limit if there is none.
    pub rate: Option<Rate>,
    /// Whether that holds for clients on this host, too.
    pub local: bool,
}

impl PerClient {
    /// The client behind a remote address, if it is limited at all.
    fn client(&self, remote: Remote) -> Option<Client> {
        match remote {
            Remote::Local if self.local => Some(Client(Ipv6Addr::LOCALHOST.into())),
            Remote::Host(address) if self.local || !address.ip().is_loopback() => {
                Some(Client::of(address.ip()))
            }
            Remote::Local | Remote::Host(_) => None,
        }
    }
}

/// One client: an IPv4 address, or the first address of an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Client(IpAddr);

impl Client {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & !u128::from(u64::MAX);
                Self(Ipv6Addr::from(network).into())
            }
            v4 => Self(v4),
        }
    }
}

/// How many connections each client has open. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guests(Arc<Mutex<HashMap<Client, u32>>>);

/// A connection of a client, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    client: Option<Client>,
    guests: Guests,
}

impl Guests {
    /// Counts a connection; none if the client has too many already.
    pub(crate) fn enter(&self, remote: Remote, limits: &PerClient) -> Option<Guest> {
        // Counted without a limit, too, so that one that comes later holds.
        let client = limits.client(remote);
        if let Some(client) = client {
            let mut open = self.lock();
            let count = open.entry(client).or_default();
            if limits.connections.is_some_and(|most| *count >= most.get()) {
                return None;
            }
            *count += 1;
        }
        Some(Guest {
            client,
            guests: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Client, u32>> {
        // A count is changed in one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let Some(client) = self.client else { return };
        let mut open = self.guests.lock();
        if let Some(count) = open.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&client);
            }
        }
    }
}

type Limiter = DefaultKeyedRateLimiter<Client>;

/// How quickly clients ask.
#[derive(Debug)]
pub(crate) struct Pace {
    limits: PerClient,
    table: Option<Table>,
}

#[derive(Debug)]
struct Table {
    quota: Quota,
    limiter: RwLock<Arc<Limiter>>,
    asked: AtomicUsize,
}

impl Pace {
    pub(crate) fn new(limits: PerClient) -> Self {
        let table = limits.rate.map(|rate| {
            let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
            Table {
                quota,
                limiter: RwLock::new(Arc::new(RateLimiter::keyed(quota))),
                asked: AtomicUsize::new(0),
            }
        });
        Self { limits, table }
    }

    pub(crate) fn limits(&self) -> &PerClient {
        &self.limits
    }

    /// Whether a client may ask now; if not, how long it should wait.
    pub(crate) fn check(&self, remote: Remote) -> Result<(), Duration> {
        let Some((table, client)) = self.table.as_ref().zip(self.limits.client(remote)) else {
            return Ok(());
        };
        if table.asked.fetch_add(1, Ordering::Relaxed) % LOOK == LOOK - 1 {
            table.clean(CLIENTS_MAX);
        }
        let limiter = Arc::clone(&table.read());
        let checked = limiter.check_key(&client);
        checked.map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    /// Forgets who has been quiet for long enough.
    pub(crate) fn clean(&self) {
        if let Some(table) = &self.table {
            table.clean(CLIENTS_MAX);
        }
    }
}

impl Table {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Arc<Limiter>> {
        self.limiter.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn clean(&self, most: usize) {
        let limiter = Arc::clone(&self.read());
        limiter.retain_recent();
        if limiter.len() > most {
            tracing::warn!("too many clients ask at once to tell them apart; all begin anew");
            let fresh = Arc::new(RateLimiter::keyed(self.quota));
            *self.limiter.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        } else {
            limiter.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Remote {
        Remote::host(format!("{text}:1").parse().unwrap())
    }

    fn number(n: u32) -> NonZeroU32 {
        NonZeroU32::new(n).unwrap()
    }

    #[test]
    fn a_client_is_an_address_or_a_network_of_its_own() {
        let client = |text: &str| PerClient::default().client(host(text));
        assert_eq!(client("[2001:db8::1]"), client("[2001:db8::ffff:1]"));
        assert_ne!(client("[2001:db8::1]"), client("[2001:db8:0:1::1]"));
        assert_eq!(client("[::ffff:192.0.2.1]"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
        assert_eq!(client("127.0.0.1"), None);
        assert_eq!(client("[::1]"), None);
        assert_eq!(PerClient::default().client(Remote::Local), None);
    }

    #[test]
    fn connections_are_counted_until_they_end() {
        let guests = Guests::default();
        let limits = PerClient {
            connections: Some(number(2)),
            ..PerClient::default()
        };
        let enter = |text| guests.enter(host(text), &limits);
        let first = enter("192.0.2.1").unwrap();
        let _second = enter("192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_none());
        let _other = enter("192.0.2.2").unwrap();
        drop(first);
        let _third = enter("192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_none());
        let local: Vec<_> = (0..5).map(|_| enter("127.0.0.1").unwrap()).collect();
        assert_eq!(guests.lock().len(), 2);
        drop(local);
    }

    #[test]
    fn who_asks_too_quickly_waits_and_others_do_not() {
        let pace = Pace::new(PerClient {
            rate: Some(Rate {
                per_second: number(1),
                burst: number(3),
            }),
            ..PerClient::default()
        });
        for _ in 0..3 {
            pace.check(host("192.0.2.1")).unwrap();
        }
        let wait = pace.check(host("192.0.2.1")).unwrap_err();
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        pace.check(host("192.0.2.2")).unwrap();
        for _ in 0..9 {
            pace.check(host("127.0.0.1")).unwrap();
        }
    }

    #[test]
    fn the_table_has_an_end() {
        let pace = Pace::new(PerClient {
            rate: Some(Rate {
                per_second: number(1),
                burst: number(1000),
            }),
            ..PerClient::default()
        });
        for n in 0..100u32 {
            let address = std::net::Ipv4Addr::from(0xc000_0200 + n);
            pace.check(Remote::host((address, 1).into())).unwrap();
        }
        let table = pace.table.as_ref().unwrap();
        table.clean(100);
        assert_eq!(table.read().len(), 100);
        table.clean(99);
        assert_eq!(table.read().len(), 0);
    }
}
