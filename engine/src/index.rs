//! A hash index from a key to a slot number that never stops to rehash.
//!
//! The keys live with the values they name; an entry here is 8 bytes: a 32-bit tag of the key and the slot. Growing
//! opens a table of twice the size and moves a few entries with every later insertion, so no single command pays for
//! the whole move. Nothing ever iterates over an index: its order is not part of the state.

use crate::prefetch::prefetch;

/// Buckets of the old table that one insertion moves. A table is at most 3/4 full and the next one twice its
/// size, so the move is finished long before the new table fills.
const MOVED_PER_INSERT: usize = 16;
const EMPTY: u64 = 0;
/// Entries of the largest table that is kept sparse.
const SMALL_TABLE: usize = 1 << 14;
/// Left behind in the old table by a moved or removed entry, so that probing goes on past it.
const MOVED: u64 = 1 << 32;

/// Tag of a counter: itself, as far as it fits. A table spreads tags on its own.
#[inline]
pub fn tag_of_counter(counter: u64) -> u32 {
    counter as u32
}

/// Hash of one integer key. Multiplication by the golden ratio spreads counters evenly over the high bits.
#[inline]
pub fn hash_u64(key: u64) -> u32 {
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}

/// Hash of a pair such as (account, asset).
#[inline]
pub fn hash_pair(a: u32, b: u32) -> u32 {
    let mixed = ((a as u64) << 32 | b as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    hash_u64(mixed ^ (mixed >> 29))
}

/// Hash of a short string that belongs to an account.
#[inline]
pub fn hash_text(account: u32, text: &[u8]) -> u32 {
    let mut hash = account as u64 ^ 0xcbf2_9ce4_8422_2325;
    for &byte in text {
        hash = (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3);
    }
    hash_u64(hash ^ (hash >> 32))
}

struct Table {
    entries: Vec<u64>,
    shift: u32,
    is_small: bool,
}

impl Table {
    fn new(bits: u32) -> Self {
        Table { entries: vec![EMPTY; 1 << bits], shift: 32 - bits, is_small: 1 << bits <= SMALL_TABLE }
    }

    /// Entries that it may hold. A small table is kept so empty that a key is nearly always in its first place: the
    /// processor foresees that, and a wrong guess costs more than the memory.
    fn limit(&self) -> usize {
        let quarter = self.entries.len() / 4;
        if self.is_small {
            quarter
        } else {
            quarter * 3
        }
    }

    /// The first place of a tag. Multiplication by the golden ratio spreads counters evenly over the high bits. Eight
    /// counters in a row share a cache line, which is in the nearest cache when the newest of them comes.
    #[inline]
    fn home(&self, tag: u32) -> usize {
        let spread = |number: u32| number.wrapping_mul(0x9E37_79B9) >> self.shift;
        (spread(tag >> 3) & !7 | tag & 7) as usize
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.entries.len() - 1)
    }

    #[inline]
    fn find(&self, tag: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.home(tag);
        loop {
            let entry = self.entries[at];
            if (entry >> 32) as u32 == tag && entry as u32 != 0 && is_it(entry as u32 - 1) {
                return Some(entry as u32 - 1);
            }
            if entry == EMPTY {
                return None;
            }
            at = self.next(at);
        }
    }

    #[inline]
    fn position(&self, entry: u64) -> Option<usize> {
        let mut at = self.home((entry >> 32) as u32);
        loop {
            let found = self.entries[at];
            if found == entry {
                return Some(at);
            }
            if found == EMPTY {
                return None;
            }
            at = self.next(at);
        }
    }

    #[inline]
    fn insert(&mut self, entry: u64) {
        let mut at = self.home((entry >> 32) as u32);
        while self.entries[at] != EMPTY {
            at = self.next(at);
        }
        self.entries[at] = entry;
    }

    /// Closes the gap by moving later entries of the same run back, so that the live table needs no markers.
    #[inline]
    fn remove(&mut self, at: usize) {
        let mask = self.entries.len() - 1;
        let mut gap = at;
        let mut at = self.next(at);
        loop {
            let entry = self.entries[at];
            if entry == EMPTY {
                break;
            }
            let home = self.home((entry >> 32) as u32);
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(gap) & mask) {
                self.entries[gap] = entry;
                gap = at;
            }
            at = self.next(at);
        }
        self.entries[gap] = EMPTY;
    }
}

/// Index from hashed keys to slots. The caller tells by `is_it(slot)` whether a slot holds the key that it means.
pub struct Index {
    live: Table,
    old: Option<Table>,
    moved: usize,
    len: usize,
    /// With fewer entries an insertion has nothing to do but to insert; 0 while a move is going on.
    calm_below: usize,
}

/// Never EMPTY and never MOVED: the slot counts from 1 in it.
#[inline]
fn entry(tag: u32, slot: u32) -> u64 {
    (tag as u64) << 32 | (slot as u64 + 1)
}

impl Default for Index {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl Index {
    pub fn with_capacity(entries: usize) -> Self {
        let bits = (entries * 4 / 3 + 1).next_power_of_two().trailing_zeros().clamp(6, 31);
        let live = Table::new(bits);
        let calm_below = live.limit();
        Index { live, old: None, moved: 0, len: 0, calm_below }
    }

    #[inline(always)]
    pub fn find(&self, tag: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        match self.live.find(tag, &is_it) {
            None if self.old.is_some() => self.find_old(tag, is_it),
            found => found,
        }
    }

    /// Has the place fetched where `guess` looks first.
    #[inline(always)]
    pub fn foresee(&self, tag: u32) {
        prefetch(&self.live.entries[self.live.home(tag)]);
    }

    /// The slot of a key with this tag: most likely what `find` comes to, and nothing to rely on.
    #[inline(always)]
    pub fn guess(&self, tag: u32) -> Option<u32> {
        self.live.find(tag, |_| true)
    }

    #[inline(never)]
    fn find_old(&self, tag: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.old.as_ref()?.find(tag, is_it)
    }

    /// Adds a key that is not there yet.
    #[inline(always)]
    pub fn insert(&mut self, tag: u32, slot: u32) {
        if self.len >= self.calm_below {
            self.make_room();
        }
        self.live.insert(entry(tag, slot));
        self.len += 1;
    }

    /// Removes the entry of `slot`; it must be there.
    #[inline(always)]
    pub fn remove(&mut self, tag: u32, slot: u32) {
        match self.live.position(entry(tag, slot)) {
            Some(at) => self.live.remove(at),
            None => self.remove_old(tag, slot),
        }
        self.len -= 1;
    }

    #[inline(never)]
    fn remove_old(&mut self, tag: u32, slot: u32) {
        let old = self.old.as_mut().expect("an indexed slot is in one of the tables");
        let at = old.position(entry(tag, slot)).expect("an indexed slot is in one of the tables");
        old.entries[at] = MOVED;
    }

    #[inline(never)]
    fn make_room(&mut self) {
        if self.old.is_some() {
            self.move_some();
        } else {
            self.grow();
        }
    }

    fn grow(&mut self) {
        let bits = self.live.entries.len().trailing_zeros() + 1;
        self.old = Some(std::mem::replace(&mut self.live, Table::new(bits)));
        self.moved = 0;
        self.calm_below = 0;
        self.move_some();
    }

    fn move_some(&mut self) {
        let Some(old) = self.old.as_mut() else { return };
        let end = (self.moved + MOVED_PER_INSERT).min(old.entries.len());
        for entry in &mut old.entries[self.moved..end] {
            if *entry as u32 != 0 {
                self.live.insert(*entry);
            }
            if *entry != EMPTY {
                *entry = MOVED;
            }
        }
        self.moved = end;
        if end == old.entries.len() {
            self.old = None;
            self.calm_below = self.live.limit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_like_a_map_while_it_grows_and_shrinks() {
        let mut index = Index::default();
        let mut keys: Vec<u64> = Vec::new(); // slot -> key, 0 = gone
        let mut random = 7u64;
        for round in 0..60_000u64 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let grow = (round / 10_000) % 2 == 0;
            if keys.is_empty() || (random >> 33) % 10 < if grow { 8 } else { 2 } {
                let key = round + 1;
                index.insert(tag_of_counter(key), keys.len() as u32);
                keys.push(key);
            } else {
                let slot = (random >> 20) as usize % keys.len();
                if keys[slot] != 0 {
                    index.remove(tag_of_counter(keys[slot]), slot as u32);
                    keys[slot] = 0;
                }
            }
            let probe = (random >> 10) as usize % keys.len().max(1);
            let key = keys[probe];
            if key != 0 {
                assert_eq!(index.find(tag_of_counter(key), |slot| keys[slot as usize] == key), Some(probe as u32));
            }
            assert_eq!(index.find(tag_of_counter(u64::MAX - round), |_| false), None);
        }
        for (slot, &key) in keys.iter().enumerate().filter(|(_, key)| **key != 0) {
            assert_eq!(index.find(tag_of_counter(key), |found| keys[found as usize] == key), Some(slot as u32));
        }
        assert_eq!(index.len, keys.iter().filter(|key| **key != 0).count());
    }

    #[test]
    fn equal_tags_are_told_apart_by_the_key() {
        let mut index = Index::default();
        index.insert(5, 10);
        index.insert(5, 11);
        assert_eq!(index.find(5, |slot| slot == 11), Some(11));
        index.remove(5, 10);
        assert_eq!(index.find(5, |slot| slot == 10), None);
        assert_eq!(index.find(5, |slot| slot == 11), Some(11));
    }
}
