//! Orders at rest: one slab for all markets, price levels with their queues, and the ways to find an order.
//!
//! A *seat* is one account in one market. It names the two balance rows that the account's orders there use and heads
//! the list of its open orders, so that a fill or a cancel looks nothing up.

use std::collections::BTreeMap;

use crate::index::{hash_pair, hash_text, Index};
use crate::ladder::Ladder;
use crate::order_ids::OrderIds;
use crate::prefetch::prefetch;
use crate::special::Special;
use crate::wire::*;

pub const NIL: u32 = u32::MAX;
/// The end of every queue. The slot exists but holds no order: what links an order to its neighbours writes there as
/// well, instead of asking whether there is a neighbour, which nobody could foresee.
pub const NO_ORDER: u32 = 0;
/// Room for orders from the start: so large a block gets pages of its own, grows without being copied, and leaves no hole.
const ORDERS_AT_FIRST: usize = 1 << 16;
/// Beside an order's time in force: `Book::specials` has more about it.
const IS_SPECIAL: u8 = 0x80;

#[derive(Clone, Copy, Default)]
pub struct Order {
    pub id: u64,
    pub price: Ticks,
    /// What is left to execute.
    pub remaining: Lots,
    /// What was asked for (less after an amend).
    pub quantity: Lots,
    pub executed_quote: Atoms,
    pub accepted_ns: i64,
    pub updated_ns: i64,
    pub seat: u32,
    pub(crate) level: u32,
    pub(crate) prev: u32,
    pub(crate) next: u32,
    pub(crate) seat_prev: u32,
    pub(crate) seat_next: u32,
    client: u32,
    pub side: u8,
    pub order_type: u8,
    time_in_force: u8,
    pub stp: u8,
}

impl Order {
    /// An order that rests nowhere yet.
    #[inline]
    #[allow(clippy::too_many_arguments)]
    pub fn new(id: u64, terms: &crate::command::Terms, quantity: Lots, time_ns: i64, seat: u32) -> Self {
        Order {
            id,
            price: terms.price,
            remaining: quantity,
            quantity,
            executed_quote: 0,
            accepted_ns: time_ns,
            updated_ns: time_ns,
            seat,
            level: NIL,
            prev: NO_ORDER,
            next: NO_ORDER,
            seat_prev: NO_ORDER,
            seat_next: NO_ORDER,
            client: NIL,
            side: terms.side,
            order_type: terms.order_type,
            time_in_force: terms.time_in_force,
            stp: terms.stp,
        }
    }

    /// The same, with a `Special` of its own.
    pub fn as_special(self) -> Self {
        Order { time_in_force: self.time_in_force | IS_SPECIAL, ..self }
    }

    /// Whether it is more than its price and quantity: an iceberg, a stop, or one of a list.
    #[inline]
    pub fn is_special(&self) -> bool {
        self.time_in_force & IS_SPECIAL != 0
    }

    #[inline]
    pub fn time_in_force(&self) -> u8 {
        self.time_in_force & !IS_SPECIAL
    }

    #[inline]
    pub fn executed(&self) -> Lots {
        self.quantity - self.remaining
    }

    pub fn next_at_level(&self) -> u32 {
        self.next
    }

    pub fn next_of_seat(&self) -> u32 {
        self.seat_next
    }
}

#[derive(Clone, Copy)]
pub struct Level {
    pub price: Ticks,
    pub quantity: Lots,
    pub head: u32,
    pub(crate) tail: u32,
}

impl Level {
    const fn empty(price: Ticks) -> Self {
        Level { price, quantity: 0, head: NO_ORDER, tail: NO_ORDER }
    }
}

/// One side of a market. Keys grow from the best price to the worst: asks by price, bids by its complement.
#[derive(Default)]
pub struct Side {
    pub(crate) levels: Ladder,
    pub(crate) best: u32,
    best_price: Ticks,
    /// All that rests here; bounded so that no sum of levels overflows.
    pub lots: Lots,
}

impl Side {
    /// Whether a taker of the other side would trade here at once.
    #[inline]
    pub fn tempts(&self, taker_side: u8, limit: Ticks) -> bool {
        (self.best != NIL) & accepts(taker_side, limit, self.best_price)
    }
}

/// Both sides of a market.
#[derive(Default)]
pub struct Sides([Side; 2]);

impl Sides {
    #[inline]
    pub fn of(&self, side: u8) -> &Side {
        &self.0[(side & 1) as usize]
    }

    #[inline]
    fn of_mut(&mut self, side: u8) -> &mut Side {
        &mut self.0[(side & 1) as usize]
    }
}

/// Whether a taker with this limit trades at `price`.
#[inline]
pub fn accepts(taker_side: u8, limit: Ticks, price: Ticks) -> bool {
    let buys = taker_side == side::BUY;
    (buys & (price <= limit)) | (!buys & (price >= limit))
}

#[inline]
pub(crate) fn key(side: u8, price: Ticks) -> u64 {
    if side == side::BUY {
        u64::MAX - price
    } else {
        price
    }
}

#[derive(Clone, Copy)]
pub struct Seat {
    pub account: u32,
    pub market: u32,
    pub base_row: u32,
    pub quote_row: u32,
    pub head: u32,
    pub(crate) tail: u32,
    pub open_orders: u32,
    pub next_of_account: u32,
}

impl Seat {
    /// The balance row that an order on `side` pays from.
    #[inline]
    pub fn paid_row(&self, side: u8) -> u32 {
        choose(side == side::BUY, self.quote_row, self.base_row)
    }
}

#[derive(Clone, Copy)]
struct ClientId {
    text: [u8; CLIENT_ID_MAX],
    length: u8,
}

impl ClientId {
    fn text(&self) -> &[u8] {
        &self.text[..self.length as usize]
    }
}

/// What few open orders have (rules version 2).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// Lots that self-trade prevention took off its quantity.
    pub prevented: Lots,
    pub amends: u32,
}

pub struct Book {
    pub(crate) orders: Vec<Order>,
    free_orders: Vec<u32>,
    pub(crate) ids: OrderIds,
    pub(crate) levels: Vec<Level>,
    free_levels: Vec<u32>,
    pub(crate) sides: Vec<Sides>,
    pub seats: Vec<Seat>,
    pub(crate) by_seat: Index,
    client_ids: Vec<ClientId>,
    free_client_ids: Vec<u32>,
    by_client_id: Index,
    /// By order id.
    pub marks: BTreeMap<u64, Marks>,
    /// Of special orders, by order id.
    pub specials: BTreeMap<u64, Special>,
}

impl Default for Book {
    fn default() -> Self {
        let mut orders = Vec::with_capacity(ORDERS_AT_FIRST);
        orders.push(Order::default());
        Book {
            orders,
            free_orders: Vec::new(),
            ids: OrderIds::default(),
            levels: Vec::new(),
            free_levels: Vec::new(),
            sides: Vec::new(),
            seats: Vec::new(),
            by_seat: Index::default(),
            client_ids: Vec::new(),
            free_client_ids: Vec::new(),
            by_client_id: Index::default(),
            marks: BTreeMap::new(),
            specials: BTreeMap::new(),
        }
    }
}

/// Orders, levels and seats while some of them are linked: slices that are taken once. Behind a `Vec` each would be looked
/// up anew after every store.
struct Shelves<'a> {
    orders: &'a mut [Order],
    levels: &'a mut [Level],
    seats: &'a mut [Seat],
}

impl Shelves<'_> {
    /// Puts an order at the end of its level's queue; returns what the level holds now.
    #[inline(always)]
    fn line_up(&mut self, slot: u32, order: &mut Order) -> Lots {
        let level = &mut self.levels[order.level as usize];
        level.quantity += order.remaining;
        order.prev = std::mem::replace(&mut level.tail, slot);
        order.next = NO_ORDER;
        level.head = choose(order.prev == NO_ORDER, slot, level.head);
        self.orders[order.prev as usize].next = slot;
        level.quantity
    }

    /// Takes an order out of its level's queue; returns what the level still holds.
    #[inline(always)]
    fn step_out(&mut self, slot: u32) -> Lots {
        let Order { level, remaining, prev, next, .. } = self.orders[slot as usize];
        let level = &mut self.levels[level as usize];
        level.quantity -= remaining;
        level.head = choose(prev == NO_ORDER, next, level.head);
        level.tail = choose(next == NO_ORDER, prev, level.tail);
        self.orders[prev as usize].next = next;
        self.orders[next as usize].prev = prev;
        level.quantity
    }

    /// Keeps an order in its slot, as the newest of its seat.
    #[inline(always)]
    fn take_place(&mut self, slot: u32, mut order: Order) {
        let seat = &mut self.seats[order.seat as usize];
        seat.open_orders += 1;
        order.seat_prev = std::mem::replace(&mut seat.tail, slot);
        seat.head = choose(order.seat_prev == NO_ORDER, slot, seat.head);
        self.orders[order.seat_prev as usize].seat_next = slot;
        self.orders[slot as usize] = order;
    }

    /// Takes an order out of its seat. What its slot holds stays readable.
    #[inline(always)]
    fn give_up_place(&mut self, slot: u32) {
        let Order { seat, seat_prev, seat_next, .. } = self.orders[slot as usize];
        let seat = &mut self.seats[seat as usize];
        seat.open_orders -= 1;
        seat.head = choose(seat_prev == NO_ORDER, seat_next, seat.head);
        seat.tail = choose(seat_next == NO_ORDER, seat_prev, seat.tail);
        self.orders[seat_prev as usize].seat_next = seat_next;
        self.orders[seat_next as usize].seat_prev = seat_prev;
    }
}

impl Book {
    pub fn add_market(&mut self) {
        let side = || Side { levels: Ladder::default(), best: NIL, best_price: 0, lots: 0 };
        self.sides.push(Sides([side(), side()]));
    }

    pub fn open_orders(&self) -> usize {
        self.orders.len() - self.free_orders.len() - 1
    }

    #[inline]
    pub fn order(&self, slot: u32) -> &Order {
        &self.orders[slot as usize]
    }

    /// Lots of an order that were prevented; what was asked for is its `quantity` and these.
    #[inline]
    pub fn prevented(&self, order: &Order) -> Lots {
        if self.marks.is_empty() {
            return 0;
        }
        self.marks_of(order.id).prevented
    }

    #[inline(never)]
    pub fn marks_of(&self, order_id: u64) -> Marks {
        self.marks.get(&order_id).copied().unwrap_or_default()
    }

    pub fn mark_prevented(&mut self, order_id: u64, lots: Lots) {
        self.marks.entry(order_id).or_default().prevented += lots;
    }

    pub fn mark_amended(&mut self, order_id: u64) {
        self.marks.entry(order_id).or_default().amends += 1;
    }

    #[inline]
    pub fn level(&self, level: u32) -> &Level {
        &self.levels[level as usize]
    }

    #[inline]
    pub fn level_of(&self, slot: u32) -> &Level {
        self.level(self.order(slot).level)
    }

    #[inline]
    pub fn sides(&self, market: u32) -> &Sides {
        &self.sides[place_of(market)]
    }

    #[inline]
    pub fn side(&self, market: u32, side: u8) -> &Side {
        self.sides(market).of(side)
    }

    #[inline]
    fn side_mut(&mut self, market: u32, side: u8) -> &mut Side {
        self.sides[place_of(market)].of_mut(side)
    }

    #[inline]
    pub fn best(&self, market: u32, side: u8) -> Option<u32> {
        let best = self.side(market, side).best;
        (best != NIL).then_some(best)
    }

    /// Levels of one side, best first.
    pub fn levels(&self, market: u32, side: u8) -> impl Iterator<Item = &Level> {
        self.side(market, side).levels.levels().map(|level| self.level(level))
    }

    /// Slots of the orders at a level, oldest first.
    pub fn queue<'a>(&'a self, level: &'a Level) -> impl Iterator<Item = u32> + 'a {
        let mut at = level.head;
        std::iter::from_fn(move || {
            let slot = (at != NO_ORDER).then_some(at)?;
            at = self.order(slot).next;
            Some(slot)
        })
    }

    #[inline(always)]
    pub fn find(&self, order_id: u64) -> Option<u32> {
        self.ids.find(order_id, |slot| self.orders[slot as usize].id == order_id)
    }

    /// Has the order that a command is going to name fetched, if it names one.
    #[inline(always)]
    pub fn foresee(&self, order_id: u64) {
        if let Some(order) = self.orders.get(self.ids.guess(order_id) as usize) {
            prefetch(&order.id);
            prefetch(&order.seat);
        }
    }

    #[inline]
    pub fn find_client_id(&self, account: u32, text: &[u8]) -> Option<u32> {
        if text.is_empty() {
            return None;
        }
        self.look_up_client_id(account, text)
    }

    #[inline(never)]
    fn look_up_client_id(&self, account: u32, text: &[u8]) -> Option<u32> {
        self.by_client_id.find(hash_text(account, text), |slot| {
            let order = self.order(slot);
            self.seats[order.seat as usize].account == account && self.client_id(order) == text
        })
    }

    #[inline]
    pub fn client_id(&self, order: &Order) -> &[u8] {
        if order.client == NIL {
            &[]
        } else {
            self.client_ids[order.client as usize].text()
        }
    }

    /// The seat of an account in a market. `recent` is where to look first, if it is a seat of the account at all.
    #[inline(always)]
    pub fn find_seat(&self, recent: u32, account: u32, market: u32) -> Option<u32> {
        match self.seats.get(recent as usize) {
            Some(seat) if seat.market == market => Some(recent),
            _ => self.look_up_seat(account, market),
        }
    }

    #[inline(never)]
    pub fn look_up_seat(&self, account: u32, market: u32) -> Option<u32> {
        self.by_seat.find(hash_pair(account, market), |seat| {
            let seat = &self.seats[seat as usize];
            seat.account == account && seat.market == market
        })
    }

    /// What an account's open orders on one side of a market have left.
    pub fn open_lots(&self, account: u32, market: u32, side: u8) -> Atoms {
        let orders = self.orders_of(account, market).filter(|order| order.side == side);
        let hidden = |order: &Order| if order.is_special() { self.specials[&order.id].hidden } else { 0 };
        orders.map(|order| (order.remaining + hidden(order)) as Atoms).sum()
    }

    /// An account's open orders in a market, oldest first.
    pub fn orders_of(&self, account: u32, market: u32) -> impl Iterator<Item = &Order> {
        let seat = self.look_up_seat(account, market);
        let mut slot = seat.map_or(NO_ORDER, |seat| self.seats[seat as usize].head);
        std::iter::from_fn(move || {
            let order = (slot != NO_ORDER).then(|| self.order(slot))?;
            slot = order.seat_next;
            Some(order)
        })
    }

    pub fn add_seat(&mut self, account: u32, market: u32, base_row: u32, quote_row: u32) -> u32 {
        let seat = self.seats.len() as u32;
        self.seats.push(Seat {
            account,
            market,
            base_row,
            quote_row,
            head: NO_ORDER,
            tail: NO_ORDER,
            open_orders: 0,
            next_of_account: NIL,
        });
        self.by_seat.insert(hash_pair(account, market), seat);
        seat
    }

    /// Puts what is left of an order at the end of its level's queue. Returns its slot and what the level holds now.
    #[inline(always)]
    pub fn rest(&mut self, market: u32, mut order: Order, client_id: &[u8]) -> (u32, Lots) {
        let slot = self.free_slot();
        let side = self.side_mut(market, order.side);
        side.lots += order.remaining;
        let level = side.levels.get(key(order.side, order.price));
        order.level = level.unwrap_or_else(|| self.add_level(market, order.side, order.price));
        let mut shelves = self.shelves();
        let total = shelves.line_up(slot, &mut order);
        shelves.take_place(slot, order);
        self.name_order(slot, order.id, client_id);
        (slot, total)
    }

    /// Keeps an order that is in no queue: a stop before its trigger, or an order that is about to work.
    pub fn park(&mut self, market: u32, order: Order, client_id: &[u8]) -> u32 {
        let slot = self.free_slot();
        self.side_mut(market, order.side).lots += order.remaining;
        self.shelves().take_place(slot, order);
        self.name_order(slot, order.id, client_id);
        slot
    }

    #[inline(always)]
    fn free_slot(&mut self) -> u32 {
        match self.free_orders.pop() {
            Some(slot) => slot,
            None => self.add_slot(),
        }
    }

    #[inline(never)]
    fn add_slot(&mut self) -> u32 {
        self.orders.push(Order::default());
        self.orders.len() as u32 - 1
    }

    #[inline(always)]
    fn shelves(&mut self) -> Shelves<'_> {
        Shelves { orders: &mut self.orders, levels: &mut self.levels, seats: &mut self.seats }
    }

    #[inline(always)]
    fn name_order(&mut self, slot: u32, id: u64, client_id: &[u8]) {
        let orders = &self.orders;
        self.ids.insert(id, slot, |slot| orders[slot as usize].id);
        if !client_id.is_empty() {
            self.name(slot, client_id);
        }
    }

    /// Puts a parked order, as it is now, at the end of its level's queue. Returns what the level holds now.
    pub fn settle(&mut self, market: u32, slot: u32, mut order: Order) -> Lots {
        let level = self.side(market, order.side).levels.get(key(order.side, order.price));
        order.level = level.unwrap_or_else(|| self.add_level(market, order.side, order.price));
        let parked = &self.orders[slot as usize];
        // Its neighbours in the seat may have changed while it took.
        (order.seat_prev, order.seat_next) = (parked.seat_prev, parked.seat_next);
        let total = self.shelves().line_up(slot, &mut order);
        self.orders[slot as usize] = order;
        total
    }

    /// Shows `lots` more of an order whose visible part is executed: it goes to the end of its level's queue.
    pub fn refill(&mut self, slot: u32, lots: Lots) {
        let mut order = self.orders[slot as usize];
        let mut shelves = self.shelves();
        shelves.step_out(slot);
        order.quantity += lots;
        order.remaining = lots;
        shelves.line_up(slot, &mut order);
        self.orders[slot as usize] = order;
    }

    pub fn order_mut(&mut self, slot: u32) -> &mut Order {
        &mut self.orders[slot as usize]
    }

    /// Lots that are on a side, but in no queue.
    pub fn add_lots(&mut self, market: u32, side: u8, lots: Lots) {
        self.side_mut(market, side).lots += lots;
    }

    /// Lots that no longer rest or wait on a side.
    pub fn forget_lots(&mut self, market: u32, side: u8, lots: Lots) {
        self.side_mut(market, side).lots -= lots;
    }

    /// Links every seat's orders anew in the order given, oldest first: a restored book was filled queue by queue.
    pub fn seat_by_age(&mut self, slots: impl Iterator<Item = u32>) {
        for seat in &mut self.seats {
            (seat.head, seat.tail) = (NO_ORDER, NO_ORDER);
        }
        for slot in slots {
            let seat = &mut self.seats[self.orders[slot as usize].seat as usize];
            let before = std::mem::replace(&mut seat.tail, slot);
            seat.head = if before == NO_ORDER { slot } else { seat.head };
            self.orders[before as usize].seat_next = slot;
            let order = &mut self.orders[slot as usize];
            (order.seat_prev, order.seat_next) = (before, NO_ORDER);
        }
    }

    #[inline(never)]
    fn add_level(&mut self, market: u32, side: u8, price: Ticks) -> u32 {
        let level = match self.free_levels.pop() {
            Some(level) => {
                self.levels[level as usize] = Level::empty(price);
                level
            }
            None => {
                self.levels.push(Level::empty(price));
                self.levels.len() as u32 - 1
            }
        };
        let book_side = self.side_mut(market, side);
        book_side.levels.insert(key(side, price), level);
        if book_side.best == NIL || key(side, book_side.best_price) > key(side, price) {
            (book_side.best, book_side.best_price) = (level, price);
        }
        level
    }

    /// Executes `quantity` of the order at the head of a level, which stays where it is.
    #[inline(always)]
    pub fn fill(&mut self, market: u32, slot: u32, quantity: Lots, quote: Atoms, time_ns: i64) {
        let order = &mut self.orders[slot as usize];
        order.remaining -= quantity;
        order.executed_quote += quote;
        order.updated_ns = time_ns;
        self.levels[order.level as usize].quantity -= quantity;
        self.sides[place_of(market)].of_mut(order.side).lots -= quantity;
    }

    /// Lessens what an order asks for; it keeps its place.
    pub fn reduce(&mut self, market: u32, slot: u32, by: Lots, time_ns: i64) {
        let order = &mut self.orders[slot as usize];
        order.quantity -= by;
        order.remaining -= by;
        order.updated_ns = time_ns;
        self.levels[order.level as usize].quantity -= by;
        self.sides[place_of(market)].of_mut(order.side).lots -= by;
    }

    /// Gives an open order a client id in place of the one it has.
    pub fn rename(&mut self, slot: u32, client_id: &[u8]) {
        self.unname(slot);
        self.name(slot, client_id);
    }

    fn name(&mut self, slot: u32, client_id: &[u8]) {
        let account = self.seats[self.orders[slot as usize].seat as usize].account;
        let mut named = ClientId { text: [0; CLIENT_ID_MAX], length: client_id.len() as u8 };
        named.text[..client_id.len()].copy_from_slice(client_id);
        let at = match self.free_client_ids.pop() {
            Some(at) => {
                self.client_ids[at as usize] = named;
                at
            }
            None => {
                self.client_ids.push(named);
                self.client_ids.len() as u32 - 1
            }
        };
        self.orders[slot as usize].client = at;
        self.by_client_id.insert(hash_text(account, client_id), slot);
    }

    fn unname(&mut self, slot: u32) {
        let order = &mut self.orders[slot as usize];
        if order.client == NIL {
            return;
        }
        let account = self.seats[order.seat as usize].account;
        let tag = hash_text(account, self.client_ids[order.client as usize].text());
        self.free_client_ids.push(order.client);
        order.client = NIL;
        self.by_client_id.remove(tag, slot);
    }

    /// Takes an order out of its queue, its seat and every index; an empty level goes too. Returns what the level still
    /// holds. The slot's contents stay readable until it is reused.
    #[inline(always)]
    pub fn remove(&mut self, market: u32, slot: u32) -> Lots {
        let mut shelves = self.shelves();
        let left = shelves.step_out(slot);
        shelves.give_up_place(slot);
        if left == 0 {
            self.drop_level(market, slot);
        }
        self.forget(market, slot);
        left
    }

    /// Takes an order out of its queue; an empty level goes too. Returns what the level still holds.
    pub fn leave_queue(&mut self, market: u32, slot: u32) -> Lots {
        let left = self.shelves().step_out(slot);
        if left == 0 {
            self.drop_level(market, slot);
        }
        left
    }

    /// Takes an order that is in no queue out of its seat and every index.
    pub fn leave(&mut self, market: u32, slot: u32) {
        self.shelves().give_up_place(slot);
        self.forget(market, slot);
    }

    /// Takes an order out of every index, and its slot is free.
    #[inline(always)]
    fn forget(&mut self, market: u32, slot: u32) {
        let Order { id, side, remaining, client, .. } = self.orders[slot as usize];
        if client != NIL {
            self.unname(slot);
        }
        self.side_mut(market, side).lots -= remaining;
        self.ids.remove(id, slot);
        if !self.marks.is_empty() {
            self.marks.remove(&id);
        }
        self.free_orders.push(slot);
    }

    /// Drops the level of an order that was the last there.
    #[inline(never)]
    fn drop_level(&mut self, market: u32, slot: u32) {
        let Order { side, level, .. } = self.orders[slot as usize];
        let book_side = self.sides[place_of(market)].of_mut(side);
        book_side.levels.remove(key(side, self.levels[level as usize].price));
        if book_side.best == level {
            book_side.best = book_side.levels.first().unwrap_or(NIL);
            if book_side.best != NIL {
                book_side.best_price = self.levels[book_side.best as usize].price;
            }
        }
        self.free_levels.push(level);
    }

    /// Checks invariant 4 (levels are the sums of their queues, indexes find every order, no level is empty, the
    /// book is not crossed) and says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let mut parked = vec![[0, 0]; self.sides.len()];
        let mut seen = self.check_specials(&mut parked)?;
        for market in 1..=self.sides.len() as u32 {
            for side in [side::BUY, side::SELL] {
                seen += self.check_side(market, side, parked[place_of(market)][side as usize])?;
            }
            if let (Some(bid), Some(ask)) = (self.best(market, side::BUY), self.best(market, side::SELL)) {
                if self.level(bid).price >= self.level(ask).price {
                    return Err(format!("market {market} is crossed"));
                }
            }
        }
        let seated: usize = self.seats.iter().map(|seat| seat.open_orders as usize).sum();
        let open = self.open_orders();
        if seen != open || seated != open {
            return Err(format!("{seen} orders in queues, {seated} in seats, {open} counted"));
        }
        Ok(())
    }

    /// Adds up what special orders have outside the queues; returns how many of them are in none.
    fn check_specials(&self, unseen: &mut [[Lots; 2]]) -> Result<usize, String> {
        let mut parked = 0;
        for (&id, special) in &self.specials {
            let order = self.find(id).map(|slot| self.order(slot)).filter(|order| order.is_special());
            let order = order.ok_or(format!("order {id} is special, but not in the book"))?;
            let seat = &self.seats[order.seat as usize];
            let is_parked = special.state != order_state::RESTING;
            let is_sound = order.remaining > 0 && (special.hidden == 0 || (special.iceberg > 0 && !is_parked));
            let named = order.client == NIL || self.find_client_id(seat.account, self.client_id(order)).is_some();
            if !is_sound || !named {
                return Err(format!("special order {id} is not where it should be"));
            }
            parked += is_parked as usize;
            let lots = if is_parked { order.remaining } else { special.hidden };
            unseen[place_of(seat.market)][order.side as usize] += lots;
        }
        Ok(parked)
    }

    fn rests_as_special(&self, id: u64) -> bool {
        self.specials.get(&id).is_some_and(|special| special.state == order_state::RESTING)
    }

    fn check_side(&self, market: u32, side: u8, unseen: Lots) -> Result<usize, String> {
        let (mut orders, mut total) = (0, unseen);
        let first = self.side(market, side).levels.first().unwrap_or(NIL);
        if first != self.side(market, side).best {
            return Err(format!("market {market}: the best level of side {side} is not the first"));
        }
        for level in self.levels(market, side) {
            let mut lots = 0;
            for slot in self.queue(level) {
                let order = self.order(slot);
                let seat = &self.seats[order.seat as usize];
                let sound = order.price == level.price
                    && order.side == side
                    && order.remaining > 0
                    && order.is_special() == self.rests_as_special(order.id)
                    && seat.market == market
                    && self.find(order.id) == Some(slot)
                    && (order.client == NIL || self.find_client_id(seat.account, self.client_id(order)) == Some(slot));
                if !sound {
                    return Err(format!("order {} is not where it should be", order.id));
                }
                lots += order.remaining;
                orders += 1;
            }
            if lots == 0 || lots != level.quantity {
                return Err(format!("market {market}: level {} holds {lots}, says {}", level.price, level.quantity));
            }
            total += lots;
        }
        if total != self.side(market, side).lots {
            return Err(format!("market {market}: side {side} holds {total} lots, says otherwise"));
        }
        Ok(orders)
    }
}
