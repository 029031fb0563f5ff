//! The rolling hash over everything that the engine has told.
#![allow(unsafe_code)] // one call of a function that is compiled for a wider vector unit, see `mix`

/// Each takes every sixteenth word, so that a vector unit has as many steps under way as it can.
const LANES: usize = 16;
/// Words of one block: two for each lane.
pub const BLOCK: usize = 2 * LANES;

/// Odd, so that multiplying by it maps words one to one; of 32 bits, for which vector units have an instruction.
const FACTOR: u64 = 0x9e37_79b1;
const K0: u64 = 0xa076_1d64_78bd_642f;
const K1: u64 = 0xe703_7ed1_a0b4_28db;
const K2: u64 = 0x8ebc_6af0_9c88_c6e3;

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// Hash of every event word so far, in order.
///
/// Words that do not fill a block wait for the next batch, so that the borders of batches leave no trace. With the
/// other words given, each step maps lane and word one to one: a single changed word always changes the lane. It makes
/// histories comparable; it is not a defence against somebody who forges one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollingHash {
    lanes: [u64; LANES],
    waiting: [u64; BLOCK],
    waits: usize,
}

impl Default for RollingHash {
    fn default() -> Self {
        let lanes = std::array::from_fn(|lane| K0.wrapping_mul(lane as u64 * 2 + 1));
        RollingHash { lanes, waiting: [0; BLOCK], waits: 0 }
    }
}

impl RollingHash {
    /// The hash with these lanes and waiting words, if it can be.
    pub fn resume(lanes: [u64; LANES], waiting: &[u64]) -> Option<Self> {
        let mut hash = RollingHash { lanes, waiting: [0; BLOCK], waits: waiting.len() };
        (waiting.len() < BLOCK).then(|| hash.waiting[..waiting.len()].copy_from_slice(waiting))?;
        Some(hash)
    }

    pub fn lanes(&self) -> &[u64; LANES] {
        &self.lanes
    }

    pub fn waiting(&self) -> &[u64] {
        &self.waiting[..self.waits]
    }

    pub fn roll(&mut self, words: &[u64]) {
        let (first, words) = words.split_at(words.len().min((BLOCK - self.waits) % BLOCK));
        self.wait(first);
        let (blocks, rest) = words.as_chunks();
        mix(&mut self.lanes, blocks);
        self.wait(rest);
    }

    /// Adds words that complete a block at most.
    fn wait(&mut self, words: &[u64]) {
        self.waiting[self.waits..][..words.len()].copy_from_slice(words);
        self.waits += words.len();
        if self.waits == BLOCK {
            mix(&mut self.lanes, &[self.waiting]);
            self.waits = 0;
        }
    }

    pub fn value(&self) -> u64 {
        let state = self.lanes.iter().chain(self.waiting());
        let mixed = state.fold(self.waits as u64, |mixed, &word| fold(mixed ^ word, K1).wrapping_add(word ^ K2));
        fold(mixed ^ K2, K0)
    }
}

/// Hashing is a tenth of the engine's work on plain instructions, and half of that where a register holds four lanes.
#[inline]
fn mix(lanes: &mut [u64; LANES], blocks: &[[u64; BLOCK]]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: this processor has AVX2. The function is the same, compiled with it.
        return unsafe { mix_wide(lanes, blocks) };
    }
    mix_blocks(lanes, blocks);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn mix_wide(lanes: &mut [u64; LANES], blocks: &[[u64; BLOCK]]) {
    mix_blocks(lanes, blocks);
}

#[inline(always)]
fn mix_blocks(lanes: &mut [u64; LANES], blocks: &[[u64; BLOCK]]) {
    let mut mixed = *lanes;
    for block in blocks {
        let (first, second) = block.split_at(LANES);
        for ((lane, first), second) in mixed.iter_mut().zip(first).zip(second) {
            *lane = (*lane ^ first).rotate_left(32).wrapping_add(*second).wrapping_mul(FACTOR);
        }
    }
    *lanes = mixed;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_in_parts(words: &[u64], mut part: impl FnMut() -> usize) -> u64 {
        let (mut hash, mut left) = (RollingHash::default(), words);
        while !left.is_empty() {
            let (now, later) = left.split_at(part().min(left.len()));
            hash.roll(now);
            let again = RollingHash::resume(*hash.lanes(), hash.waiting()).expect("a hash that was");
            assert_eq!(again.value(), hash.value());
            (hash, left) = (again, later);
        }
        hash.value()
    }

    const WORDS: usize = 5 * BLOCK / 2 + 5;

    #[test]
    fn the_hash_knows_no_borders_and_every_bit() {
        let words: Vec<u64> = (0..WORDS as u64).map(|at| at * at).collect();
        let whole = hash_in_parts(&words, || WORDS);
        let mut part = 0;
        let growing = || {
            part += 1;
            part
        };
        assert_eq!(hash_in_parts(&words, growing), whole);
        assert_eq!(hash_in_parts(&words, || 1), whole);
        let mut seen = std::collections::BTreeSet::from([whole]);
        for bit in 0..WORDS * 64 {
            let mut changed = words.clone();
            changed[bit / 64] ^= 1 << (bit % 64);
            assert_ne!(hash_in_parts(&changed, || WORDS), whole, "bit {bit} is not seen");
        }
        for length in 0..WORDS {
            assert!(seen.insert(hash_in_parts(&words[..length], || WORDS)), "{length} words are not told apart");
        }
    }

    /// Whatever the processor: the hash is part of what exchanges agree on.
    #[test]
    fn the_wider_vector_unit_comes_to_the_same() {
        let block: [u64; BLOCK] = std::array::from_fn(|at| K1.wrapping_mul(at as u64));
        let (mut plain, mut chosen) = (RollingHash::default(), RollingHash::default());
        mix_blocks(&mut plain.lanes, &[block; 3]);
        mix(&mut chosen.lanes, &[block; 3]);
        assert_eq!(plain, chosen);
        assert_eq!(plain.value(), 0xf62947cfba26bbff);
    }
}
