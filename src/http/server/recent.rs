//! Addresses that were seen last, of which a bounded number is remembered.

use std::collections::HashMap;
use std::net::IpAddr;

/// Addresses, of which the one that was noted longest ago is forgotten first.
#[derive(Debug)]
pub(crate) struct RecentAddresses {
    max: usize,
    /// When each was noted last, in numbers of notes.
    noted: HashMap<IpAddr, u64>,
    notes: u64,
}

impl RecentAddresses {
    /// Remembers at most `max`.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            noted: HashMap::new(),
            notes: 0,
        }
    }

    pub(crate) fn note(&mut self, address: IpAddr) {
        self.notes += 1;
        if self.noted.insert(address, self.notes).is_none() && self.noted.len() > self.max {
            let oldest = self.noted.iter().min_by_key(|(_, noted)| **noted);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                self.noted.remove(&oldest);
            }
        }
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.noted.contains_key(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_noted_longest_ago_is_forgotten() {
        let mut recent = RecentAddresses::new(2);
        let [first, second, third] = [1, 2, 3].map(|host| IpAddr::from([192, 0, 2, host]));
        for address in [first, second, first, third] {
            recent.note(address);
        }
        let remembered = [first, second, third].map(|address| recent.contains(address));
        assert_eq!(remembered, [true, false, true]);
        assert_eq!(recent.noted.len(), 2);
    }
}
