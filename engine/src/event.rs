//! Writing events (docs/formats/events.md) and the rolling hash over them.

use crate::book::Order;
use crate::command::Header;
use crate::wire::*;

pub const RESULT: usize = 48;
const FLAG_REPEAT: u8 = 1;
const FLAG_MORE: u8 = 2;

/// What a command came to: its status, its value, and whether more of it is pending.
#[derive(Clone, Copy)]
pub struct Outcome {
    pub status: Status,
    pub value: u64,
    pub more: bool,
    pub repeat: bool,
}

impl Outcome {
    pub fn ok(value: u64) -> Self {
        Outcome { status: status::OK, value, more: false, repeat: false }
    }

    pub fn with_status(status: Status, value: u64) -> Self {
        Outcome { status, value, more: false, repeat: false }
    }

    pub fn refused(status: Status) -> Self {
        Outcome::with_status(status, 0)
    }
}

/// A fill as both sides see it.
pub struct Fill {
    pub market: u32,
    pub trade_id: u64,
    pub price: Ticks,
    pub quantity: Lots,
    pub maker_order: u64,
    pub taker_order: u64,
    pub maker_account: u32,
    pub taker_account: u32,
    pub taker_side: u8,
    pub quote: Atoms,
    pub maker_fee: Atoms,
    pub taker_fee: Atoms,
}

/// Everything ORDER_CLOSED tells, for orders that rested and for takers that never did.
pub struct Closed<'a> {
    pub order: &'a Order,
    pub market: u32,
    pub account: u32,
    pub reason: u8,
    pub rested: bool,
    pub by_quote: bool,
    pub client_id: &'a [u8],
    pub request_id: &'a [u8],
}

/// One event under construction; `N` is its fixed part.
struct Record<const N: usize>([u8; N]);

impl<const N: usize> Record<N> {
    #[inline]
    fn new(kind: u8, tag: u8, subject: u32, tail: usize) -> Self {
        let mut bytes = [0; N];
        bytes[0..2].copy_from_slice(&((N + padded(tail)) as u16).to_le_bytes());
        bytes[2] = kind;
        bytes[3] = tag;
        bytes[4..8].copy_from_slice(&subject.to_le_bytes());
        Record(bytes)
    }

    #[inline]
    fn put<const M: usize>(&mut self, at: usize, value: [u8; M]) {
        self.0[at..at + M].copy_from_slice(&value);
    }
}

/// The output of one batch. The buffer is reused, so a steady engine allocates nothing here.
#[derive(Default)]
pub struct Events {
    bytes: Vec<u8>,
    command_start: usize,
}

impl Events {
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[inline]
    pub fn begin_command(&mut self) {
        self.command_start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; RESULT]);
    }

    /// Fills in the RESULT and returns the bytes of the whole command.
    #[inline]
    pub fn end_command(&mut self, header: &Header, sequence: u64, time_ns: i64, outcome: &Outcome) -> &[u8] {
        let following = (self.bytes.len() - self.command_start - RESULT) as u32;
        let mut record = Record::<RESULT>::new(event::RESULT, header.kind, following, 0);
        record.put(8, outcome.status.to_le_bytes());
        record.put(10, [(outcome.repeat as u8) * FLAG_REPEAT | (outcome.more as u8) * FLAG_MORE]);
        record.put(12, header.session.to_le_bytes());
        record.put(16, header.number.to_le_bytes());
        record.put(24, sequence.to_le_bytes());
        record.put(32, time_ns.to_le_bytes());
        record.put(40, outcome.value.to_le_bytes());
        let start = self.command_start;
        self.bytes[start..start + RESULT].copy_from_slice(&record.0);
        &self.bytes[start..]
    }

    #[inline]
    fn write(&mut self, fixed: &[u8], texts: &[&[u8]]) {
        self.bytes.extend_from_slice(fixed);
        let start = self.bytes.len();
        for text in texts {
            self.bytes.extend_from_slice(text);
        }
        let length = self.bytes.len() - start;
        self.bytes.resize(start + padded(length), 0);
    }

    #[inline]
    pub fn accepted(&mut self, order: &Order, market: u32, account: u32, budget: Atoms, client_id: &[u8]) {
        let by_budget = budget > 0;
        let tail = client_id.len() + if by_budget { 16 } else { 0 };
        let tag = order.side | (by_budget as u8) << 1;
        let mut record = Record::<40>::new(event::ORDER_ACCEPTED, tag, market, tail);
        record.put(8, order.id.to_le_bytes());
        record.put(16, account.to_le_bytes());
        record.put(20, [order.order_type, order.time_in_force, order.stp, client_id.len() as u8]);
        record.put(24, order.price.to_le_bytes());
        record.put(32, order.quantity.to_le_bytes());
        if by_budget {
            self.write(&record.0, &[&budget.to_le_bytes(), client_id]);
        } else if client_id.is_empty() {
            self.bytes.extend_from_slice(&record.0);
        } else {
            self.write(&record.0, &[client_id]);
        }
    }

    #[inline]
    pub fn trade(&mut self, fill: &Fill) {
        let mut record = Record::<104>::new(event::TRADE, fill.taker_side, fill.market, 0);
        record.put(8, fill.trade_id.to_le_bytes());
        record.put(16, fill.price.to_le_bytes());
        record.put(24, fill.quantity.to_le_bytes());
        record.put(32, fill.maker_order.to_le_bytes());
        record.put(40, fill.taker_order.to_le_bytes());
        record.put(48, fill.maker_account.to_le_bytes());
        record.put(52, fill.taker_account.to_le_bytes());
        record.put(56, fill.quote.to_le_bytes());
        record.put(72, fill.maker_fee.to_le_bytes());
        record.put(88, fill.taker_fee.to_le_bytes());
        self.bytes.extend_from_slice(&record.0);
    }

    #[inline]
    pub fn closed(&mut self, closed: &Closed) {
        let order = closed.order;
        let tail = closed.client_id.len() + closed.request_id.len();
        let tag = order.side | (closed.rested as u8) << 1;
        let mut record = Record::<80>::new(event::ORDER_CLOSED, tag, closed.market, tail);
        record.put(8, order.id.to_le_bytes());
        record.put(16, closed.account.to_le_bytes());
        record.put(20, [order.order_type, order.time_in_force, order.stp, closed.reason]);
        record.put(24, order.price.to_le_bytes());
        record.put(32, order.quantity.to_le_bytes());
        record.put(40, order.executed().to_le_bytes());
        record.put(48, order.executed_quote.to_le_bytes());
        record.put(64, order.accepted_ns.to_le_bytes());
        record.put(72, [closed.client_id.len() as u8, closed.request_id.len() as u8, closed.by_quote as u8]);
        if tail == 0 {
            self.bytes.extend_from_slice(&record.0);
        } else {
            self.write(&record.0, &[closed.client_id, closed.request_id]);
        }
    }

    pub fn amended(
        &mut self,
        order: &Order,
        (market, account): (u32, u32),
        old_quantity: Lots,
        client_id: &[u8],
        old_client_id: &[u8],
    ) {
        let tail = client_id.len() + old_client_id.len();
        let mut record = Record::<56>::new(event::ORDER_AMENDED, order.side, market, tail);
        record.put(8, order.id.to_le_bytes());
        record.put(16, account.to_le_bytes());
        record.put(20, [client_id.len() as u8, old_client_id.len() as u8]);
        record.put(24, order.price.to_le_bytes());
        record.put(32, order.quantity.to_le_bytes());
        record.put(40, order.executed().to_le_bytes());
        record.put(48, old_quantity.to_le_bytes());
        self.write(&record.0, &[client_id, old_client_id]);
    }

    #[inline]
    pub fn level(&mut self, market: u32, side: u8, price: Ticks, quantity: Lots, update_id: u64) {
        let mut record = Record::<32>::new(event::LEVEL, side, market, 0);
        record.put(8, price.to_le_bytes());
        record.put(16, quantity.to_le_bytes());
        record.put(24, update_id.to_le_bytes());
        self.bytes.extend_from_slice(&record.0);
    }

    #[inline]
    pub fn balance(&mut self, account: u32, asset: u32, available: Atoms, held: Atoms, posting: Atoms) {
        let posted = posting != 0;
        let mut record = Record::<48>::new(event::BALANCE, posted as u8, asset, if posted { 16 } else { 0 });
        record.put(8, account.to_le_bytes());
        record.put(16, available.to_le_bytes());
        record.put(32, held.to_le_bytes());
        self.bytes.extend_from_slice(&record.0);
        if posted {
            self.bytes.extend_from_slice(&posting.to_le_bytes());
        }
    }

    pub fn account(&mut self, id: u32, account: &crate::ledger::Account) {
        let mut record = Record::<24>::new(event::ACCOUNT, 0, id, 0);
        record.put(8, [account.class, account.tier, account.permissions, account.frozen as u8]);
        record.put(12, account.stp_group.to_le_bytes());
        record.put(16, account.owner.to_le_bytes());
        self.bytes.extend_from_slice(&record.0);
    }

    pub fn asset(&mut self, id: u32, asset: &crate::market::Asset) {
        let mut record = Record::<16>::new(event::ASSET, 0, id, asset.name.len());
        record.put(8, [asset.scale, asset.state, asset.name.len() as u8]);
        self.write(&record.0, &[asset.name.as_bytes()]);
    }

    pub fn market(&mut self, id: u32, market: &crate::market::Market) {
        let mut record = Record::<144>::new(event::MARKET, 0, id, market.symbol.len());
        record.put(8, market.base.to_le_bytes());
        record.put(12, market.quote.to_le_bytes());
        record.put(16, market.tick_atoms.to_le_bytes());
        record.put(24, market.lot_atoms.to_le_bytes());
        record.put(32, market.filters.write());
        record.put(136, [market.state, market.symbol.len() as u8]);
        self.write(&record.0, &[market.symbol.as_bytes()]);
    }

    pub fn fees(&mut self, market: u32, component: u8, tier: u8, rates: &[u32; 4]) {
        let mut record = Record::<32>::new(event::FEES, component, market, 0);
        record.put(8, [tier]);
        for (at, rate) in rates.iter().enumerate() {
            record.put(16 + at * 4, rate.to_le_bytes());
        }
        self.bytes.extend_from_slice(&record.0);
    }

    pub fn session(&mut self, id: u32, role: u8, name: &[u8]) {
        let mut record = Record::<40>::new(event::SESSION, role, id, 0);
        record.put(8, [name.len() as u8]);
        record.0[9..9 + name.len()].copy_from_slice(name);
        self.bytes.extend_from_slice(&record.0);
    }

    pub fn hold(&mut self, tag: u8, asset: u32, account: u32, amount: Atoms, digest: u128) {
        let mut record = Record::<48>::new(event::HOLD, tag, asset, 0);
        record.put(8, account.to_le_bytes());
        record.put(16, amount.to_le_bytes());
        record.put(32, digest.to_le_bytes());
        self.bytes.extend_from_slice(&record.0);
    }

    pub fn bare(&mut self, kind: u8, subject: u32) {
        self.bytes.extend_from_slice(&Record::<8>::new(kind, 0, subject, 0).0);
    }
}

const K0: u64 = 0xa076_1d64_78bd_642f;
const K1: u64 = 0xe703_7ed1_a0b4_28db;
const K2: u64 = 0x8ebc_6af0_9c88_c6e3;
const K3: u64 = 0x5899_65cc_7537_4cc3;

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// Rolls one command's bytes (a multiple of 8) into the hash of all before it.
///
/// Two lanes of folded 64 x 64 multiplications; each keeps a rotated copy of itself in the sum, so that a product of
/// zero forgets nothing. It makes histories comparable; it is not a defence against somebody who forges one.
#[inline]
pub fn roll(hash: u64, bytes: &[u8]) -> u64 {
    let mut a = hash ^ K0;
    let mut b = K1 ^ bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(32);
    for chunk in &mut chunks {
        a = fold(a ^ u64_at(chunk, 0), K2 ^ u64_at(chunk, 8)).wrapping_add(a.rotate_left(23));
        b = fold(b ^ u64_at(chunk, 16), K3 ^ u64_at(chunk, 24)).wrapping_add(b.rotate_left(29));
    }
    for word in chunks.remainder().chunks_exact(8) {
        a = fold(a ^ u64_at(word, 0), K3).wrapping_add(a.rotate_left(31));
    }
    fold(a ^ K1, b ^ K0).wrapping_add(a ^ b.rotate_left(32))
}
