//! In which slot the open order of an id is.
//!
//! Ids are counted, and most orders that somebody names are among the newest. Those stand in a ring, each at the low
//! bits of its id: one look, no search and nothing to move. An order that is still open when a newer one needs its place
//! moves to a hash index.

use crate::book::NO_ORDER;
use crate::index::{tag_of_counter, Index};
use crate::prefetch::prefetch;

const RING: usize = 1 << 14;

pub struct OrderIds {
    newest: Box<[u32; RING]>,
    older: Index,
}

impl Default for OrderIds {
    fn default() -> Self {
        let newest = vec![NO_ORDER; RING].try_into().unwrap_or_else(|_| unreachable!("RING slots"));
        OrderIds { newest, older: Index::default() }
    }
}

#[inline]
fn place(id: u64) -> usize {
    id as usize % RING
}

impl OrderIds {
    /// `is_it` tells whether the order in a slot has this id.
    #[inline(always)]
    pub fn find(&self, id: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let slot = self.newest[place(id)];
        if slot != NO_ORDER && is_it(slot) {
            return Some(slot);
        }
        self.find_older(id, is_it)
    }

    /// The slot at the place of an id: most likely what `find` comes to, and nothing to rely on.
    #[inline(always)]
    pub fn guess(&self, id: u64) -> u32 {
        self.newest[place(id)]
    }

    /// Has the places fetched where `guess_any` looks.
    #[inline(always)]
    pub fn foresee(&self, id: u64) {
        prefetch(&self.newest[place(id)]);
        self.older.foresee(tag_of_counter(id));
    }

    /// As `guess`, and among the older orders if that is not the one.
    #[inline(always)]
    pub fn guess_any(&self, id: u64) -> u32 {
        match self.older.guess(tag_of_counter(id)) {
            Some(slot) => slot,
            None => self.guess(id),
        }
    }

    #[inline(never)]
    fn find_older(&self, id: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.older.find(tag_of_counter(id), is_it)
    }

    /// Adds an id that is not there yet; `id_of` says which order is in a slot.
    #[inline(always)]
    pub fn insert(&mut self, id: u64, slot: u32, id_of: impl Fn(u32) -> u64) {
        let before = std::mem::replace(&mut self.newest[place(id)], slot);
        if before != NO_ORDER {
            self.keep_older(id_of(before), before);
        }
    }

    #[inline(never)]
    fn keep_older(&mut self, id: u64, slot: u32) {
        self.older.insert(tag_of_counter(id), slot);
    }

    /// Removes an id; it must be there.
    #[inline(always)]
    pub fn remove(&mut self, id: u64, slot: u32) {
        let newest = &mut self.newest[place(id)];
        if *newest == slot {
            *newest = NO_ORDER;
        } else {
            self.remove_older(id, slot);
        }
    }

    #[inline(never)]
    fn remove_older(&mut self, id: u64, slot: u32) {
        self.older.remove(tag_of_counter(id), slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_open_order_however_old() {
        let mut ids = OrderIds::default();
        let mut id_in = vec![0u64]; // by slot; 0 = free
        let (mut random, mut open) = (7u64, Vec::new());
        for id in 1..200_000u64 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let slot = id_in.len() as u32;
            id_in.push(id);
            ids.insert(id, slot, |slot| id_in[slot as usize]);
            open.push(slot);
            // Some 40,000 stay open, of every age.
            if open.len() > 40_000 || random >> 60 == 0 {
                let slot = open.swap_remove((random >> 20) as usize % open.len());
                ids.remove(id_in[slot as usize], slot);
                let gone = std::mem::take(&mut id_in[slot as usize]);
                assert_eq!(ids.find(gone, |slot| id_in[slot as usize] == gone), None);
            }
            let slot = open[(random >> 30) as usize % open.len().max(1)];
            let known = id_in[slot as usize];
            assert_eq!(ids.find(known, |slot| id_in[slot as usize] == known), Some(slot));
        }
        assert_eq!(ids.find(200_000, |slot| id_in[slot as usize] == 200_000), None);
    }
}
