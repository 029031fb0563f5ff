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

/// First word of a record of `words` words.
#[inline]
fn head(words: usize, kind: u8, tag: u8, subject: u32) -> u64 {
    (words as u64 * 8) | (kind as u64) << 16 | (tag as u64) << 24 | (subject as u64) << 32
}

#[inline]
fn pair(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

#[inline]
fn bytes(codes: [u8; 8]) -> u64 {
    u64::from_le_bytes(codes)
}

#[inline]
fn low(atoms: Atoms) -> u64 {
    atoms as u64
}

#[inline]
fn high(atoms: Atoms) -> u64 {
    (atoms >> 64) as u64
}

/// The output of one batch and the rolling hash over all output so far.
///
/// Records are made of whole words in registers, written once and hashed on the way: building them from smaller
/// stores and reading those back costs several times as much. The buffer is reused, so a steady engine allocates
/// nothing here.
#[derive(Default)]
pub struct Events {
    words: Vec<u64>,
    command_start: usize,
    pub hash: RollingHash,
}

impl Events {
    pub fn clear(&mut self) {
        self.words.clear();
    }

    pub fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words)
    }

    #[inline]
    fn put<const N: usize>(&mut self, words: [u64; N]) {
        self.words.extend_from_slice(&words);
        self.hash.roll(&words);
    }

    /// Texts after one another, padded with zeros to whole words. Most orders have none.
    #[inline]
    fn put_texts(&mut self, texts: [&[u8]; 2]) {
        if !texts[0].is_empty() || !texts[1].is_empty() {
            self.put_bytes(texts);
        }
    }

    #[inline(never)]
    fn put_bytes(&mut self, texts: [&[u8]; 2]) {
        let (mut word, mut filled) = (0, 0);
        for &byte in texts.into_iter().flatten() {
            word |= (byte as u64) << (8 * filled);
            filled += 1;
            if filled == 8 {
                self.put([word]);
                (word, filled) = (0, 0);
            }
        }
        if filled > 0 {
            self.put([word]);
        }
    }

    /// Leaves room for the RESULT, which is known last and hashed last.
    #[inline]
    pub fn begin_command(&mut self) {
        self.command_start = self.words.len();
        self.words.extend_from_slice(&[0; RESULT / 8]);
    }

    #[inline]
    pub fn end_command(&mut self, header: &Header, sequence: u64, time_ns: i64, outcome: &Outcome) {
        let following = ((self.words.len() - self.command_start) * 8 - RESULT) as u32;
        let flags = ((outcome.repeat as u8) * FLAG_REPEAT) | ((outcome.more as u8) * FLAG_MORE);
        let words = [
            head(RESULT / 8, event::RESULT, header.kind, following),
            outcome.status as u64 | (flags as u64) << 16 | (header.session as u64) << 32,
            header.number,
            sequence,
            time_ns as u64,
            outcome.value,
        ];
        self.words[self.command_start..self.command_start + RESULT / 8].copy_from_slice(&words);
        self.hash.roll(&words);
    }

    #[inline]
    pub fn accepted(&mut self, order: &Order, market: u32, account: u32, budget: Atoms, client_id: &[u8]) {
        let by_budget = budget > 0;
        let length = 5 + 2 * by_budget as usize + padded(client_id.len()) / 8;
        let codes = [order.order_type, order.time_in_force, order.stp, client_id.len() as u8];
        self.put([
            head(length, event::ORDER_ACCEPTED, order.side | (by_budget as u8) << 1, market),
            order.id,
            pair(account, u32::from_le_bytes(codes)),
            order.price,
            order.quantity,
        ]);
        if by_budget {
            self.put([low(budget), high(budget)]);
        }
        self.put_texts([client_id, &[]]);
    }

    #[inline]
    pub fn trade(&mut self, fill: &Fill) {
        self.put([
            head(13, event::TRADE, fill.taker_side, fill.market),
            fill.trade_id,
            fill.price,
            fill.quantity,
            fill.maker_order,
            fill.taker_order,
            pair(fill.maker_account, fill.taker_account),
            low(fill.quote),
            high(fill.quote),
            low(fill.maker_fee),
            high(fill.maker_fee),
            low(fill.taker_fee),
            high(fill.taker_fee),
        ]);
    }

    #[inline]
    pub fn closed(&mut self, closed: &Closed) {
        let order = closed.order;
        let texts = [closed.client_id, closed.request_id];
        let [client_length, request_length] = texts.map(|text| text.len() as u8);
        let length = 10 + padded(closed.client_id.len() + closed.request_id.len()) / 8;
        let codes = [order.order_type, order.time_in_force, order.stp, closed.reason];
        self.put([
            head(length, event::ORDER_CLOSED, order.side | (closed.rested as u8) << 1, closed.market),
            order.id,
            pair(closed.account, u32::from_le_bytes(codes)),
            order.price,
            order.quantity,
            order.executed(),
            low(order.executed_quote),
            high(order.executed_quote),
            order.accepted_ns as u64,
            bytes([client_length, request_length, closed.by_quote as u8, 0, 0, 0, 0, 0]),
        ]);
        self.put_texts(texts);
    }

    pub fn amended(
        &mut self,
        order: &Order,
        (market, account): (u32, u32),
        old_quantity: Lots,
        client_id: &[u8],
        old_client_id: &[u8],
    ) {
        let length = 7 + padded(client_id.len() + old_client_id.len()) / 8;
        self.put([
            head(length, event::ORDER_AMENDED, order.side, market),
            order.id,
            pair(account, u32::from_le_bytes([client_id.len() as u8, old_client_id.len() as u8, 0, 0])),
            order.price,
            order.quantity,
            order.executed(),
            old_quantity,
        ]);
        self.put_texts([client_id, old_client_id]);
    }

    #[inline]
    pub fn level(&mut self, market: u32, side: u8, price: Ticks, quantity: Lots, update_id: u64) {
        self.put([head(4, event::LEVEL, side, market), price, quantity, update_id]);
    }

    #[inline]
    pub fn balance(&mut self, account: u32, asset: u32, available: Atoms, held: Atoms, posting: Atoms) {
        let posted = posting != 0;
        self.put([
            head(6 + 2 * posted as usize, event::BALANCE, posted as u8, asset),
            account as u64,
            low(available),
            high(available),
            low(held),
            high(held),
        ]);
        if posted {
            self.put([low(posting), high(posting)]);
        }
    }

    pub fn account(&mut self, id: u32, account: &crate::ledger::Account) {
        let codes = [account.class, account.tier, account.permissions, account.frozen as u8];
        self.put([head(3, event::ACCOUNT, 0, id), pair(u32::from_le_bytes(codes), account.stp_group), account.owner]);
    }

    pub fn asset(&mut self, id: u32, asset: &crate::market::Asset) {
        let length = 2 + padded(asset.name.len()) / 8;
        let codes = [asset.scale, asset.state, asset.name.len() as u8, 0, 0, 0, 0, 0];
        self.put([head(length, event::ASSET, 0, id), bytes(codes)]);
        self.put_texts([asset.name.as_bytes(), &[]]);
    }

    pub fn market(&mut self, id: u32, market: &crate::market::Market) {
        let length = 18 + padded(market.symbol.len()) / 8;
        self.put([
            head(length, event::MARKET, 0, id),
            pair(market.base, market.quote),
            market.tick_atoms,
            market.lot_atoms,
        ]);
        for word in market.filters.write().chunks_exact(8) {
            self.put([u64_at(word, 0)]);
        }
        self.put([bytes([market.state, market.symbol.len() as u8, 0, 0, 0, 0, 0, 0])]);
        self.put_texts([market.symbol.as_bytes(), &[]]);
    }

    pub fn fees(&mut self, market: u32, component: u8, tier: u8, rates: &[u32; 4]) {
        self.put([
            head(4, event::FEES, component, market),
            tier as u64,
            pair(rates[0], rates[1]),
            pair(rates[2], rates[3]),
        ]);
    }

    pub fn session(&mut self, id: u32, role: u8, name: &[u8]) {
        let mut text = [0; 32];
        text[0] = name.len() as u8;
        text[1..1 + name.len()].copy_from_slice(name);
        self.put([head(5, event::SESSION, role, id)]);
        self.put_texts([&text, &[]]);
    }

    pub fn hold(&mut self, tag: u8, asset: u32, account: u32, amount: Atoms, digest: u128) {
        let digest = digest as Atoms;
        self.put([
            head(6, event::HOLD, tag, asset),
            account as u64,
            low(amount),
            high(amount),
            low(digest),
            high(digest),
        ]);
    }

    pub fn bare(&mut self, kind: u8, subject: u32) {
        self.put([head(1, kind, 0, subject)]);
    }
}

const K0: u64 = 0xa076_1d64_78bd_642f;
const K1: u64 = 0xe703_7ed1_a0b4_28db;
const K2: u64 = 0x8ebc_6af0_9c88_c6e3;

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

/// Hash of every record so far, in the order of writing; the RESULT of a command comes after its events.
///
/// Two lanes of folded 64 x 64 multiplications; each keeps a rotated copy of itself in the sum, so that a product of
/// zero forgets nothing. It makes histories comparable; it is not a defence against somebody who forges one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RollingHash {
    pub a: u64,
    pub b: u64,
}

impl RollingHash {
    #[inline]
    fn roll<const N: usize>(&mut self, words: &[u64; N]) {
        for pair in words.chunks_exact(2) {
            let mixed = fold(self.a ^ pair[0], K0 ^ pair[1]).wrapping_add(self.a.rotate_left(29));
            self.a = self.b;
            self.b = mixed;
        }
        if N % 2 == 1 {
            let mixed = fold(self.a ^ words[N - 1], K1).wrapping_add(self.a.rotate_left(31));
            self.a = self.b;
            self.b = mixed;
        }
    }

    pub fn value(&self) -> u64 {
        fold(self.a ^ K1, self.b ^ K2).wrapping_add(self.a ^ self.b.rotate_left(32))
    }
}
