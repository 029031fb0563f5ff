//! References of money commands and account creations: each is used once, for ever. 32 bytes are kept of each.

use crate::index::{hash_u64, Index};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    pub digest: u128,
    /// Hash of everything the command said, so that the same reference with other content is noticed.
    pub content: u64,
    /// The value of the first result.
    pub value: u64,
}

#[derive(Default)]
pub struct References {
    pub list: Vec<Reference>,
    index: Index,
}

fn digest_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// The name under which a reference is kept. A `purpose` keeps the engine's own marks apart from the senders' names.
pub fn digest(purpose: &[u8], reference: &[u8]) -> u128 {
    u128::from_le_bytes(digest_of(&[purpose, b"\0", reference])[..16].try_into().expect("sixteen bytes"))
}

/// Hash of a command without its session and number.
pub fn content(command: &[u8]) -> u64 {
    u64::from_le_bytes(digest_of(&[&command[..4], &command[16..]])[..8].try_into().expect("eight bytes"))
}

impl References {
    pub fn find(&self, digest: u128) -> Option<&Reference> {
        let slot = self.index.find(hash_u64(digest as u64), |slot| self.list[slot as usize].digest == digest)?;
        Some(&self.list[slot as usize])
    }

    pub fn add(&mut self, reference: Reference) {
        self.index.insert(hash_u64(reference.digest as u64), self.list.len() as u32);
        self.list.push(reference);
    }
}
