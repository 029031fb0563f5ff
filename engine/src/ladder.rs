//! The price levels of one side of a market, best first.
//!
//! Prices that trade lie close together, so levels are kept in blocks of 16 neighbouring prices with one bit for each:
//! a level that comes or goes sets or clears its bit, and the next best one is the next bit. Only a block that comes
//! or goes changes the map. Keys grow from the best price to the worst.

use std::collections::BTreeMap;

use crate::prefetch::prefetch;

const WIDTH: u64 = 16;
/// Blocks that are found without the map, by their number modulo this.
const HINTS: usize = 128;
const NONE: u32 = u32::MAX;

struct Block {
    number: u64,
    /// Which keys of the block have a level. None: the block is free.
    bits: u64,
    levels: [u32; WIDTH as usize],
}

pub struct Ladder {
    blocks: Vec<Block>,
    free: Vec<u32>,
    map: BTreeMap<u64, u32>,
    hints: [u32; HINTS],
    /// The block with the best level.
    first: u32,
}

impl Default for Ladder {
    fn default() -> Self {
        Ladder { blocks: Vec::new(), free: Vec::new(), map: BTreeMap::new(), hints: [NONE; HINTS], first: NONE }
    }
}

#[inline]
fn bit(key: u64) -> u64 {
    1 << (key % WIDTH)
}

impl Ladder {
    #[inline]
    pub fn get(&self, key: u64) -> Option<u32> {
        let block = &self.blocks[self.find_block(key)? as usize];
        (block.bits & bit(key) != 0).then(|| block.levels[(key % WIDTH) as usize])
    }

    /// The best level.
    #[inline]
    pub fn first(&self) -> Option<u32> {
        let block = self.blocks.get(self.first as usize)?;
        Some(block.levels[block.bits.trailing_zeros() as usize % WIDTH as usize])
    }

    /// Adds a level at a key that has none.
    pub fn insert(&mut self, key: u64, level: u32) {
        let at = self.find_block(key).unwrap_or_else(|| self.add_block(key / WIDTH));
        let block = &mut self.blocks[at as usize];
        block.bits |= bit(key);
        block.levels[(key % WIDTH) as usize] = level;
        self.hints[(key / WIDTH) as usize % HINTS] = at;
    }

    /// Removes the level at a key that has one.
    pub fn remove(&mut self, key: u64) {
        let at = self.find_block(key).expect("a level is in its block");
        let block = &mut self.blocks[at as usize];
        block.bits &= !bit(key);
        if block.bits == 0 {
            self.drop_block(at);
        }
    }

    /// All levels, best first.
    pub fn levels(&self) -> impl Iterator<Item = u32> + '_ {
        self.map.values().flat_map(|&at| {
            let block = &self.blocks[at as usize];
            (0..WIDTH).filter(|&key| block.bits & bit(key) != 0).map(|key| block.levels[key as usize])
        })
    }

    /// Has fetched what finds the block of a key.
    #[inline(always)]
    pub fn foresee(&self, key: u64) {
        prefetch(&self.blocks);
        prefetch(self.hint(key / WIDTH));
    }

    /// Has fetched the block of a key, if it is one that was used lately.
    #[inline(always)]
    pub fn foresee_block(&self, key: u64) {
        if let Some(block) = self.blocks.get(*self.hint(key / WIDTH) as usize) {
            prefetch(block);
            prefetch(&block.levels[WIDTH as usize - 1]);
        }
    }

    /// The level at a key: most likely what `get` comes to, and nothing to rely on.
    #[inline(always)]
    pub fn guess(&self, key: u64) -> u32 {
        self.blocks.get(*self.hint(key / WIDTH) as usize).map_or(NONE, |block| block.levels[(key % WIDTH) as usize])
    }

    #[inline(always)]
    fn hint(&self, number: u64) -> &u32 {
        &self.hints[number as usize % HINTS]
    }

    #[inline]
    fn find_block(&self, key: u64) -> Option<u32> {
        let number = key / WIDTH;
        let hint = *self.hint(number);
        match self.blocks.get(hint as usize) {
            Some(block) if block.number == number && block.bits != 0 => Some(hint),
            _ => self.map.get(&number).copied(),
        }
    }

    #[inline(never)]
    fn add_block(&mut self, number: u64) -> u32 {
        let block = Block { number, bits: 0, levels: [NONE; WIDTH as usize] };
        let at = match self.free.pop() {
            Some(at) => {
                self.blocks[at as usize] = block;
                at
            }
            None => {
                self.blocks.push(block);
                self.blocks.len() as u32 - 1
            }
        };
        self.map.insert(number, at);
        self.find_first();
        at
    }

    #[inline(never)]
    fn drop_block(&mut self, at: u32) {
        self.map.remove(&self.blocks[at as usize].number);
        self.free.push(at);
        self.find_first();
    }

    fn find_first(&mut self) {
        self.first = self.map.first_key_value().map_or(NONE, |(_, &at)| at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_like_a_sorted_map() {
        let (mut ladder, mut model) = (Ladder::default(), BTreeMap::new());
        let mut random = 7u64;
        for round in 0..200_000u32 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let spread = if round % 7 == 0 { 1 << 20 } else { 200 };
            let key = u64::MAX / 2 + (random >> 33) % spread;
            assert_eq!(ladder.get(key), model.get(&key).copied());
            if model.remove(&key).is_some() {
                ladder.remove(key);
            } else if round % 3 != 0 || round < 1_000 {
                ladder.insert(key, round);
                model.insert(key, round);
            }
            assert_eq!(ladder.first(), model.values().next().copied());
            if round % 5_000 == 0 {
                assert!(ladder.levels().eq(model.values().copied()));
                model.keys().for_each(|&key| ladder.remove(key));
                model.clear();
                assert_eq!(ladder.first(), None);
            }
        }
    }
}
