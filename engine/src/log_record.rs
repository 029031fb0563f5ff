//! The header of a log record (docs/formats/log.md). Beside the engine, which knows nothing of logs: every batch passes
//! here before it is run, so that this counts as much as a step of the engine does.

use twox_hash::{XxHash3_128, XxHash3_64};

pub const HEADER: usize = 64;
const MAGIC: &[u8; 4] = b"CbLr";
/// A disk writes whole sectors: one that was never written is all zero.
const SECTOR: usize = 512;

/// What a record says of itself and its place, beside its payload.
pub struct Place {
    pub kind: u8,
    /// Of the format.
    pub version: u16,
    pub first_sequence: u64,
    pub epoch: u32,
    pub commands: u32,
    /// Digest of the header before.
    pub previous: [u8; 16],
}

pub fn header(place: &Place, payload: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(MAGIC);
    header[4] = place.kind;
    // Hashed first: that reads memory in order, which the look for zeros does not.
    header[48..56].copy_from_slice(&XxHash3_64::oneshot(payload).to_le_bytes());
    header[5] = holds_zero_sector(payload) as u8;
    header[6..8].copy_from_slice(&place.version.to_le_bytes());
    header[8..16].copy_from_slice(&place.first_sequence.to_le_bytes());
    header[16..20].copy_from_slice(&place.epoch.to_le_bytes());
    header[20..24].copy_from_slice(&place.commands.to_le_bytes());
    header[24..28].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    header[32..48].copy_from_slice(&place.previous);
    let checksum = XxHash3_64::oneshot(&header[..56]);
    header[56..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// What the next record calls `previous`.
pub fn digest(header: &[u8; HEADER]) -> [u8; 16] {
    XxHash3_128::oneshot(header).to_be_bytes()
}

/// Whether 512 zero bytes follow each other anywhere: then one of every 512 bytes is zero, and so are its neighbours.
fn holds_zero_sector(payload: &[u8]) -> bool {
    payload.iter().enumerate().step_by(SECTOR).any(|(at, &byte)| byte == 0 && is_zero_around(payload, at))
}

#[inline(never)]
fn is_zero_around(payload: &[u8], at: usize) -> bool {
    let before = payload[..at].iter().rev().take_while(|&&byte| byte == 0).take(SECTOR).count();
    let after = payload[at..].iter().take_while(|&&byte| byte == 0).take(SECTOR).count();
    before + after >= SECTOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sector_of_zeros_is_found_wherever_it_begins() {
        for start in [0, 1, 63, 64, 511, 512, 513, 2_000, 4_096 - SECTOR] {
            let mut payload = vec![1; 4_096];
            payload[start..start + SECTOR].fill(0);
            assert!(holds_zero_sector(&payload), "at {start}");
            for gap in [start, start + SECTOR - 1, start + 200] {
                payload[gap] = 1;
                assert!(!holds_zero_sector(&payload), "at {start}, but for {gap}");
                payload[gap] = 0;
            }
        }
        assert!(!holds_zero_sector(&[0; SECTOR - 1]) && !holds_zero_sector(&[]));
    }
}
