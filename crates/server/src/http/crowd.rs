//! How many connections there are, in all and per address, and how patient the server may be with so many.
//!
//! # Invariants
//! - Memory is bounded by the connections: an address without one is forgotten.

use super::Limits;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// However many there are, an honest client needs this long.
const PATIENCE_MIN: Duration = Duration::from_secs(1);

/// All connections of a listener.
#[derive(Debug)]
pub(super) struct Crowd {
    limits: Limits,
    places: Arc<Semaphore>,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Place {
    _room: OwnedSemaphorePermit,
    address: IpAddr,
    crowd: Arc<Crowd>,
}

impl Crowd {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, places: Arc::new(Semaphore::new(limits.connections_max)), addresses: Mutex::default() }
    }

    /// Waits for room for one more connection.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// A place for a connection from `address`; `None` when it has too many.
    pub(super) fn place(self: &Arc<Self>, room: OwnedSemaphorePermit, address: IpAddr) -> Option<Place> {
        let mut addresses = self.addresses.lock();
        let count = addresses.entry(address).or_default();
        if *count >= self.limits.per_address_max {
            return None;
        }
        *count += 1;
        Some(Place { _room: room, address, crowd: Arc::clone(self) })
    }

    /// Waits until there is no connection.
    pub(super) async fn gone(&self) {
        // INVARIANT: there are far fewer connections than a semaphore counts.
        let all = u32::try_from(self.limits.connections_max).unwrap_or(u32::MAX);
        let _ = self.places.acquire_many(all).await;
    }

    /// How long a connection may wait between two requests.
    pub(super) fn keep_alive(&self) -> Duration {
        self.patience(self.limits.keep_alive)
    }

    /// How long the head of a request may take.
    pub(super) fn head_timeout(&self) -> Duration {
        self.patience(self.limits.head_timeout)
    }

    /// All of `most` while half of the places are free, then less with each that is taken.
    fn patience(&self, most: Duration) -> Duration {
        let (free, all) = (self.places.available_permits(), self.limits.connections_max);
        if free >= all / 2 {
            return most;
        }
        // Numbers of connections are far below 2^53.
        most.mul_f64(2.0 * free as f64 / all as f64).max(PATIENCE_MIN).min(most)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut addresses = self.crowd.addresses.lock();
        if let Some(count) = addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn patience_ends_with_room_and_addresses_have_their_part() {
        let limits = Limits {
            connections_max: 100,
            per_address_max: 90,
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(60),
            drain_timeout: Duration::ZERO,
        };
        let crowd = Arc::new(Crowd::new(limits));
        let address = IpAddr::from([10, 0, 0, 1]);
        let mut places = Vec::new();
        let mut patience = Vec::new();
        for _ in 0..90 {
            places.push(crowd.place(crowd.room().await.expect("room"), address).expect("a place"));
            patience.push(crowd.keep_alive().as_secs());
        }
        assert_eq!((patience[0], patience[49], patience[74], patience[89]), (60, 60, 30, 12));
        assert_eq!(crowd.head_timeout(), Duration::from_secs(2));
        assert!(crowd.place(crowd.room().await.expect("room"), address).is_none());
        let other = crowd.place(crowd.room().await.expect("room"), IpAddr::from([10, 0, 0, 2]));
        assert!(other.is_some());
        drop((places, other));
        assert!(crowd.addresses.lock().is_empty() && crowd.keep_alive() == limits.keep_alive);
        crowd.gone().await;
    }
}
