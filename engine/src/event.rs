//! Writing events (docs/formats/events.md) and the rolling hash over them.

use std::mem::MaybeUninit;

use crate::book::Order;
use crate::command::Header;
use crate::hash::RollingHash;
use crate::ledger::Row;
use crate::limits::LIMITS;
use crate::lists::List;
use crate::page::Page;
use crate::special::Special;
use crate::wire::*;

pub const RESULT: usize = 48;
/// Bytes that are hashed together: few enough to be in the nearest cache still.
const TOGETHER: usize = 8_192;
const FLAG_REPEAT: u32 = 1 << 16;
const FLAG_MORE: u32 = 2 << 16;

/// What a command came to: its status, its value, and whether more of it is pending. Two numbers, so that it is handed
/// on in registers.
#[derive(Clone, Copy, Default)]
pub struct Outcome {
    pub value: u64,
    /// Status and flags as a RESULT has them.
    code: u32,
}

impl Outcome {
    #[inline]
    pub fn ok(value: u64) -> Self {
        Outcome::with_status(status::OK, value)
    }

    #[inline]
    pub fn with_status(status: Status, value: u64) -> Self {
        Outcome { value, code: status as u32 }
    }

    #[inline]
    pub fn refused(status: Status) -> Self {
        Outcome::with_status(status, 0)
    }

    /// The answer to a command that was seen before.
    #[inline]
    pub fn repeated(self) -> Self {
        Outcome { code: self.code | FLAG_REPEAT, ..self }
    }

    pub fn with_more(self, more: bool) -> Self {
        Outcome { code: self.code | if more { FLAG_MORE } else { 0 }, ..self }
    }

    pub fn status(&self) -> Status {
        self.code as Status
    }

    pub fn more(&self) -> bool {
        self.code & FLAG_MORE != 0
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

/// A trade that self-trade prevention did not let happen.
pub struct Prevented {
    pub market: u32,
    pub id: u64,
    pub price: Ticks,
    pub taker_order: u64,
    pub maker_order: u64,
    pub taker_account: u32,
    pub maker_account: u32,
    pub taker_lots: Lots,
    pub maker_lots: Lots,
    pub stp_group: u32,
    pub mode: u8,
    pub taker_side: u8,
}

/// Everything ORDER_CLOSED tells, for orders that rested and for takers that never did.
pub struct Closed<'a> {
    pub order: &'a Order,
    pub market: u32,
    pub account: u32,
    pub reason: u8,
    pub rested: bool,
    pub by_quote: bool,
    /// Lots that self-trade prevention took off the order's quantity while it was open.
    pub prevented: Lots,
    pub client_id: &'a [u8],
    pub request_id: &'a [u8],
}

/// How a parked order begins to work, as ORDER_TRIGGERED tells it.
pub struct Start {
    pub becomes: u8,
    pub state: u8,
    pub is_pending: bool,
    pub last_price: Ticks,
    pub hold_price: Ticks,
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

/// ORDER_ACCEPTED up to what only some orders have: a budget and a client id.
#[inline(always)]
fn accepted_record(order: &Order, market: u32, account: u32, by_budget: bool, client_id: &[u8]) -> [u64; 5] {
    let length = 5 + 2 * by_budget as usize + padded(client_id.len()) / 8;
    let codes = [order.order_type, order.time_in_force(), order.stp, client_id.len() as u8];
    [
        head(length, event::ORDER_ACCEPTED, order.side | (by_budget as u8) << 1, market),
        order.id,
        pair(account, u32::from_le_bytes(codes)),
        order.price,
        order.quantity,
    ]
}

#[inline(always)]
fn level_record(market: u32, side: u8, price: Ticks, quantity: Lots, update_id: u64) -> [u64; 4] {
    [head(4, event::LEVEL, side, market), price, quantity, update_id]
}

/// BALANCE of a row whose total is what it was.
#[inline(always)]
fn held_record(row: &Row) -> [u64; 6] {
    let (available, held) = (row.available, row.held);
    let head = head(6, event::BALANCE, 0, row.asset);
    [head, row.account as u64, low(available), high(available), low(held), high(held)]
}

/// The events of the batch under way, and the rolling hash over all events.
///
/// Records are made of whole words in registers and stored once, where the caller will find them: building them from
/// smaller stores costs several times as much, and copying them as much as hashing them does.
#[derive(Default)]
pub struct Events {
    page: Page,
    /// How many bytes of the page were hashed.
    hashed: usize,
    pub hash: RollingHash,
}

impl Events {
    /// Makes `memory` the place for the events of a batch. Those that find no room there move to memory of their own.
    ///
    /// # Safety
    /// Nobody else uses it before `end_batch`, or before the next `begin_batch`.
    #[allow(unsafe_code)]
    pub unsafe fn begin_batch(&mut self, memory: &mut [MaybeUninit<u64>]) {
        // SAFETY: the same.
        unsafe { self.page.begin(memory) };
        self.hashed = 0;
    }

    /// The events of the batch.
    pub fn end_batch(&mut self) -> &[u64] {
        self.roll();
        self.page.finish()
    }

    /// Hashes the events once they are many, but still in the nearest cache.
    #[inline(always)]
    pub fn roll_many(&mut self) {
        if self.page.bytes().wrapping_sub(self.hashed) >= TOGETHER {
            self.roll();
        }
    }

    #[inline(never)]
    fn roll(&mut self) {
        self.hash.roll(self.page.written(self.hashed));
        self.hashed = self.page.bytes();
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, words: [u64; N]) {
        self.page.put(words);
    }

    /// Texts after one another, padded with zeros to whole words. Most orders have none.
    #[inline]
    fn put_texts(&mut self, first: &[u8], second: &[u8]) {
        if !first.is_empty() || !second.is_empty() {
            self.put_bytes(first, second);
        }
    }

    #[inline(never)]
    fn put_bytes(&mut self, first: &[u8], second: &[u8]) {
        let (mut word, mut filled) = (0, 0);
        for &byte in first.iter().chain(second) {
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

    /// Leaves room for the RESULT, which is known last.
    #[inline(always)]
    pub fn begin_command(&mut self) {
        self.page.keep_free();
    }

    #[inline(always)]
    pub fn end_command(&mut self, header: &Header, sequence: u64, time_ns: i64, outcome: Outcome) {
        let following = self.page.bytes_behind_kept() as u32;
        self.page.fill([
            head(RESULT / 8, event::RESULT, header.kind, following),
            pair(outcome.code, header.session),
            header.number,
            sequence,
            time_ns as u64,
            outcome.value,
        ]);
    }

    #[inline(always)]
    pub fn accepted(&mut self, order: &Order, market: u32, account: u32, budget: Atoms, client_id: &[u8]) {
        let by_budget = budget > 0;
        self.put(accepted_record(order, market, account, by_budget, client_id));
        if by_budget {
            self.put([low(budget), high(budget)]);
        }
        self.put_texts(client_id, &[]);
    }

    /// ORDER_ACCEPTED of an order that is more than its price and quantity.
    pub fn accepted_special(&mut self, order: &Order, market: u32, account: u32, special: &Special, client_id: &[u8]) {
        let [first, rest @ ..] = accepted_record(order, market, account, false, client_id);
        let longer = (5 * 8) | 4 << 24; // five words more, and tag bit 2 that says so
        self.put([first + longer]);
        self.put(rest);
        self.put([
            special.stop_price,
            special.iceberg,
            special.list,
            special.hold_price,
            pair(special.delta, special.state as u32),
        ]);
        self.put_texts(client_id, &[]);
    }

    /// A parked order that begins to work, or to wait for its trigger.
    pub fn triggered(&mut self, order: &Order, market: u32, account: u32, start: &Start) {
        let codes = [order.order_type, start.becomes, start.state, start.is_pending as u8];
        self.put([
            head(5, event::ORDER_TRIGGERED, order.side, market),
            order.id,
            pair(account, u32::from_le_bytes(codes)),
            start.last_price,
            start.hold_price,
        ]);
    }

    pub fn list(&mut self, id: u64, list: &List, status: u8) {
        let codes = [status, list.orders.len() as u8, list.client_id.len() as u8, 0];
        let length = 3 + list.orders.len() + padded(list.client_id.len()) / 8;
        self.put([head(length, event::ORDER_LIST, list.contingency, list.market), id]);
        self.put([pair(list.account, u32::from_le_bytes(codes))]);
        list.orders.iter().for_each(|&order| self.put([order]));
        self.put_texts(&list.client_id, &[]);
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

    pub fn prevented(&mut self, prevented: &Prevented) {
        self.put([
            head(9, event::PREVENTED_MATCH, prevented.taker_side, prevented.market),
            prevented.id,
            prevented.price,
            prevented.taker_order,
            prevented.maker_order,
            pair(prevented.taker_account, prevented.maker_account),
            prevented.taker_lots,
            prevented.maker_lots,
            pair(prevented.stp_group, prevented.mode as u32),
        ]);
    }

    #[inline(always)]
    pub fn closed(&mut self, closed: &Closed) {
        let order = closed.order;
        let (client_length, request_length) = (closed.client_id.len(), closed.request_id.len());
        let length = 10 + padded(client_length + request_length) / 8;
        let codes = [order.order_type, order.time_in_force(), order.stp, closed.reason];
        self.put([
            head(length, event::ORDER_CLOSED, order.side | (closed.rested as u8) << 1, closed.market),
            order.id,
            pair(closed.account, u32::from_le_bytes(codes)),
            order.price,
            order.quantity + closed.prevented,
            order.executed(),
            low(order.executed_quote),
            high(order.executed_quote),
            order.accepted_ns as u64,
            bytes([client_length as u8, request_length as u8, closed.by_quote as u8, 0, 0, 0, 0, 0]),
        ]);
        self.put_texts(closed.client_id, closed.request_id);
    }

    pub fn amended(
        &mut self,
        order: &Order,
        (market, account): (u32, u32),
        (new_quantity, old_quantity): (Lots, Lots),
        client_id: &[u8],
        old_client_id: &[u8],
    ) {
        let length = 7 + padded(client_id.len() + old_client_id.len()) / 8;
        self.put([
            head(length, event::ORDER_AMENDED, order.side, market),
            order.id,
            pair(account, u32::from_le_bytes([client_id.len() as u8, old_client_id.len() as u8, 0, 0])),
            order.price,
            new_quantity,
            order.executed(),
            old_quantity,
        ]);
        self.put_texts(client_id, old_client_id);
    }

    #[inline(always)]
    pub fn level(&mut self, market: u32, side: u8, price: Ticks, quantity: Lots, update_id: u64) {
        self.put(level_record(market, side, price, quantity, update_id));
    }

    /// A balance whose total is what it was.
    #[inline(always)]
    pub fn balance_held(&mut self, row: &Row) {
        self.put(held_record(row));
    }

    /// A balance with what was posted to it.
    #[inline]
    pub fn balance_posted(&mut self, row: &Row, posting: Atoms) {
        self.put([
            head(8, event::BALANCE, 1, row.asset),
            row.account as u64,
            low(row.available),
            high(row.available),
            low(row.held),
            high(row.held),
            low(posting),
            high(posting),
        ]);
    }

    pub fn account(&mut self, id: u32, account: &crate::ledger::Account, owner: u64) {
        let codes = [account.class, account.tier, account.permissions, account.frozen as u8];
        self.put([head(3, event::ACCOUNT, 0, id), pair(u32::from_le_bytes(codes), account.stp_group), owner]);
    }

    pub fn asset(&mut self, id: u32, asset: &crate::market::Asset) {
        let length = 2 + padded(asset.name.len()) / 8;
        let codes = [asset.scale, asset.state, asset.name.len() as u8, 0, 0, 0, 0, 0];
        self.put([head(length, event::ASSET, 0, id), bytes(codes)]);
        self.put_texts(asset.name.as_bytes(), &[]);
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
        self.put_texts(market.symbol.as_bytes(), &[]);
    }

    pub fn fees(&mut self, market: u32, component: u8, tier: u8, rates: &[u32; 4]) {
        self.put([
            head(4, event::FEES, component, market),
            tier as u64,
            pair(rates[0], rates[1]),
            pair(rates[2], rates[3]),
        ]);
    }

    pub fn limits(&mut self, market: u32, limits: &crate::limits::Limits) {
        self.put([head(1 + LIMITS / 8, event::LIMITS, 0, market)]);
        for word in limits.write().chunks_exact(8) {
            self.put([u64_at(word, 0)]);
        }
    }

    pub fn countdown(&mut self, tag: u8, account: u32, market: u32, deadline_ns: i64) {
        self.put([head(3, event::COUNTDOWN, tag, market), account as u64, deadline_ns as u64]);
    }

    pub fn session(&mut self, id: u32, role: u8, name: &[u8]) {
        let mut text = [0; 32];
        text[0] = name.len() as u8;
        text[1..1 + name.len()].copy_from_slice(name);
        self.put([head(5, event::SESSION, role, id)]);
        self.put_texts(&text, &[]);
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
