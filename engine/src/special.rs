//! What only some orders have: a trigger, a hidden part, a list. Kept apart from the book's plain records, so that
//! those stay small and matching pays for it only where such an order is met.

use crate::book::Order;
use crate::command::{Header, Wanted};
use crate::engine::Engine;
use crate::event::Closed;
use crate::stops::{direction_of, is_reached};
use crate::trading::Gone;
use crate::wire::*;

/// Bips in a whole: what a trailing delta is counted in.
pub const BIPS: u32 = 10_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Special {
    /// 0 where there is none.
    pub stop_price: Ticks,
    /// Bips that the price must turn back by; 0 if the order does not follow the price.
    pub delta: u32,
    /// The most that the book shows of the order; 0 if it shows all.
    pub iceberg: Lots,
    /// What a resting order does not show now. Its `Order` says quantity and remainder without these.
    pub hidden: Lots,
    /// The list that it belongs to, or 0.
    pub list: u64,
    /// An `order_state`.
    pub state: u8,
    /// At which price a buy without a limit price holds its quantity before it works; 0 for all others.
    pub hold_price: Ticks,
    /// When it came into the book; 0 before.
    pub working_ns: i64,
    /// When it began to follow the price, and as the how-manieth of its market; 0 before.
    pub trailing_ns: i64,
    pub activation: u64,
}

pub fn has_limit(order_type: u8) -> bool {
    order_type & 1 == 1
}

pub fn is_stop(order_type: u8) -> bool {
    order_type >= order_type::STOP_LOSS
}

/// What an order is when it works.
pub fn working_type(order_type: u8) -> u8 {
    match order_type {
        order_type::STOP_LOSS | order_type::TAKE_PROFIT => order_type::MARKET,
        order_type::STOP_LOSS_LIMIT | order_type::TAKE_PROFIT_LIMIT => order_type::LIMIT,
        plain => plain,
    }
}

/// Where the price triggers an order that follows it, seen from the best price so far: exactly `delta` bips away,
/// rounded away from it to a whole tick, since a price reaches the one exactly when it reaches the other.
pub fn trailing_trigger(side: u8, best: Ticks, delta: u32) -> Ticks {
    let (best, delta, whole) = (best as u128, delta as u128, BIPS as u128);
    let away =
        if side == side::BUY { (best * (whole + delta)).div_ceil(whole) } else { best * (whole - delta) / whole };
    away as Ticks
}

impl Engine {
    /// The guards of an order that is more than its terms; returns the account's seat in the market, if it has one.
    /// A pending order meets the book and the price later, when its turn has come.
    pub(crate) fn admit_special(
        &mut self,
        header: &Header,
        wanted: &Wanted,
        is_pending: bool,
        beside: u32,
    ) -> Result<Option<u32>, Status> {
        let mut terms = wanted.terms;
        if !has_limit(terms.order_type) {
            terms.price = wanted.stop_price;
        }
        let meets_book = !is_pending && !is_stop(terms.order_type);
        let seat = self.admit(header, &terms, meets_book, beside)?.seat;
        let market = &self.markets[place_of(header.market)];
        let filters = &market.filters;
        if wanted.stop_price > 0 && !(filters.price_min..=filters.price_max).contains(&wanted.stop_price) {
            return Err(status::PRICE_FILTER);
        }
        if wanted.iceberg > 0 && !(filters.lot_min..=filters.lot_max).contains(&wanted.iceberg) {
            return Err(status::LOT_SIZE);
        }
        if is_stop(terms.order_type) && !is_pending {
            self.check_trigger(header.market, wanted)?;
        }
        Ok(seat)
    }

    fn check_trigger(&self, market: u32, wanted: &Wanted) -> Result<(), Status> {
        if wanted.delta > 0 && !self.has_room_to_trail(market) {
            return Err(status::LIMIT_REACHED);
        }
        let last = self.markets[place_of(market)].last_price;
        if last == 0 {
            return Err(status::NO_LAST_PRICE);
        }
        let direction = direction_of(wanted.terms.order_type, wanted.terms.side);
        if wanted.stop_price > 0 && is_reached(direction, wanted.stop_price, last) {
            return Err(status::WOULD_TRIGGER);
        }
        Ok(())
    }

    pub(crate) fn place_special(&mut self, header: &Header, wanted: &Wanted) -> Result<u64, Status> {
        let seat = self.admit_special(header, wanted, false, 0)?;
        self.check_special_limits(header, std::slice::from_ref(wanted))?;
        let need = self.need_of_wanted(header.market, wanted);
        self.require_available(header, wanted.terms.side, need)?;
        let state = if is_stop(wanted.terms.order_type) { order_state::WAITING } else { order_state::RESTING };
        let seat = self.sit(header, seat);
        let slot = self.accept_special(header, seat, wanted, 0, state);
        let row = self.book.seats[seat as usize].paid_row(wanted.terms.side);
        self.ledger.hold(row, need);
        let id = self.book.order(slot).id;
        self.start(slot);
        Ok(id)
    }

    pub(crate) fn require_available(&self, header: &Header, side: u8, need: Atoms) -> Result<(), Status> {
        let paid = self.markets[place_of(header.market)].asset_paid(side);
        if self.ledger.available(header.account, paid) < need {
            return Err(status::INSUFFICIENT_BALANCE);
        }
        Ok(())
    }

    /// At which price a buy without a limit holds while it waits: where it triggers, as far as that is known.
    fn hold_price(&self, market: u32, order_type: u8, side: u8, stop_price: Ticks, delta: u32) -> Ticks {
        if side == side::SELL || has_limit(order_type) || !is_stop(order_type) {
            0
        } else if stop_price > 0 {
            stop_price
        } else {
            trailing_trigger(side, self.markets[place_of(market)].last_price, delta)
        }
    }

    pub(crate) fn need_of_wanted(&self, market: u32, wanted: &Wanted) -> Atoms {
        let terms = &wanted.terms;
        let hold_price = self.hold_price(market, terms.order_type, terms.side, wanted.stop_price, wanted.delta);
        let price = if has_limit(terms.order_type) { terms.price } else { hold_price };
        self.markets[place_of(market)].hold_of(terms.side, price, terms.quantity)
    }

    /// Takes an order into the engine, outside the book. The caller holds for it.
    pub(crate) fn accept_special(&mut self, header: &Header, seat: u32, wanted: &Wanted, list: u64, state: u8) -> u32 {
        let terms = &wanted.terms;
        let hold_price = match state {
            order_state::PENDING => 0,
            _ => self.hold_price(header.market, terms.order_type, terms.side, wanted.stop_price, wanted.delta),
        };
        self.last_order_id += 1;
        let order = Order::new(self.last_order_id, terms, terms.quantity, self.time_ns, seat).as_special();
        let special = Special {
            stop_price: wanted.stop_price,
            delta: wanted.delta,
            iceberg: wanted.iceberg,
            list,
            state,
            hold_price,
            ..Special::default()
        };
        self.events.accepted_special(&order, header.market, header.account, &special, terms.client_id);
        // Until it rests, it waits: for its trigger, for its list, or for the next lines of this command.
        let parked = Special { state: state.max(order_state::WAITING), ..special };
        self.book.specials.insert(order.id, parked);
        self.book.park(header.market, order, terms.client_id)
    }

    /// A pending order's turn has come: it needs its funds from now on.
    pub(crate) fn await_start(&mut self, slot: u32) {
        let (order, special) = (*self.book.order(slot), *self.special(slot));
        let market = self.book.seats[order.seat as usize].market;
        let hold_price = self.hold_price(market, order.order_type, order.side, special.stop_price, special.delta);
        *self.special_mut(slot) = Special { state: order_state::WAITING, hold_price, ..special };
    }

    pub(crate) fn special(&self, slot: u32) -> &Special {
        &self.book.specials[&self.book.order(slot).id]
    }

    pub(crate) fn special_mut(&mut self, slot: u32) -> &mut Special {
        let id = self.book.order(slot).id;
        self.book.specials.get_mut(&id).expect("a special order has its record")
    }

    /// An order with what it hides.
    pub(crate) fn whole_order(&self, slot: u32) -> Order {
        let mut order = *self.book.order(slot);
        if order.is_special() {
            let hidden = self.special(slot).hidden;
            order.quantity += hidden;
            order.remaining += hidden;
        }
        order
    }

    pub(crate) fn remaining_of(&self, slot: u32) -> Lots {
        self.whole_order(slot).remaining
    }

    /// Atoms that an order by itself needs to hold for `lots`.
    pub(crate) fn need(&self, slot: u32, lots: Lots) -> Atoms {
        let order = self.book.order(slot);
        let seat = &self.book.seats[order.seat as usize];
        let market = &self.markets[place_of(seat.market)];
        if !order.is_special() {
            return market.hold_of(order.side, order.price, lots);
        }
        let special = self.special(slot);
        if special.state == order_state::PENDING {
            return 0;
        }
        let price = if has_limit(order.order_type) { order.price } else { special.hold_price };
        market.hold_of(order.side, price, lots)
    }

    /// What is held for an order: by itself, or together with the other of a pair, of which only one can be executed.
    fn needs(&self, slot: u32) -> (Atoms, Atoms) {
        match self.other_of_pair(slot) {
            Some(other) => {
                let of_other = self.need(other, self.whole_order(other).quantity);
                (self.need(slot, self.whole_order(slot).quantity).max(of_other), of_other)
            }
            None => (self.need(slot, self.remaining_of(slot)), 0),
        }
    }

    pub(crate) fn held_for(&self, slot: u32) -> Atoms {
        self.needs(slot).0
    }

    /// Takes a special order out of the engine before it is filled; the caller tells its level, frees what it held, and
    /// tells its list.
    pub(crate) fn take_out_special(&mut self, slot: u32, reason: u8, request_id: &[u8]) -> Gone {
        let order = self.whole_order(slot);
        let special = *self.special(slot);
        let seat = self.book.seats[order.seat as usize];
        let (held, kept) = self.needs(slot);
        self.forget_trigger(slot);
        let rested = special.state == order_state::RESTING;
        self.events.closed(&Closed {
            order: &order,
            market: seat.market,
            account: seat.account,
            reason,
            rested,
            by_quote: false,
            prevented: self.book.prevented(&order),
            client_id: self.book.client_id(&order),
            request_id,
        });
        let left = if rested { self.book.leave_queue(seat.market, slot) } else { 0 };
        self.book.order_mut(slot).remaining = order.remaining;
        self.book.leave(seat.market, slot);
        self.book.specials.remove(&order.id);
        Gone { id: order.id, row: seat.paid_row(order.side), held: held - kept, left, list: special.list }
    }

    /// Ends a special order, and with it every other of its list. Returns how many orders that were.
    pub(crate) fn close_special(&mut self, slot: u32, reason: u8, request_id: &[u8]) -> u64 {
        let list = self.close_alone(slot, reason, request_id);
        1 + self.leave_list(list, reason, request_id)
    }

    /// Ends a special order; returns its list.
    pub(crate) fn close_alone(&mut self, slot: u32, reason: u8, request_id: &[u8]) -> u64 {
        let (order, rested) = (*self.book.order(slot), self.special(slot).state == order_state::RESTING);
        let market = self.book.seats[order.seat as usize].market;
        let gone = self.take_out_special(slot, reason, request_id);
        if rested {
            self.emit_level(market, order.side, order.price, gone.left);
        }
        self.ledger.release(gone.row, gone.held);
        gone.list
    }

    /// A maker was executed, in part or (of what it shows) whole. Whether it goes on with what it hid.
    pub(crate) fn goes_on(&mut self, slot: u32, is_filled: bool) -> bool {
        self.part_with_other(slot);
        let goes_on = is_filled && self.special(slot).hidden > 0;
        if goes_on {
            self.show_more(slot);
        }
        goes_on
    }

    /// The next part of an iceberg, behind everybody else at its price.
    pub(crate) fn show_more(&mut self, slot: u32) {
        let special = self.special_mut(slot);
        let shown = special.iceberg.min(special.hidden);
        special.hidden -= shown;
        self.book.refill(slot, shown);
    }

    /// A maker that was executed to the end has left the book; only its slot's contents are still there.
    pub(crate) fn special_is_filled(&mut self, slot: u32) {
        let id = self.book.order(slot).id;
        let special = self.book.specials.remove(&id).expect("a special order has its record");
        self.leave_list(special.list, close_reason::FILLED, &[]);
    }

    /// Lessens a special order from the old to the new quantity in all, what it hides first.
    pub(crate) fn shrink_special(&mut self, slot: u32, (new, old): (Lots, Lots), old_client_id: &[u8]) {
        let (whole, before) = (self.whole_order(slot), self.held_for(slot));
        let seat = self.book.seats[whole.seat as usize];
        let special = self.special_mut(slot);
        let rests = special.state == order_state::RESTING;
        let by = old - new;
        let of_hidden = by.min(special.hidden);
        special.hidden -= of_hidden;
        let of_shown = by - of_hidden;
        if rests {
            self.book.reduce(seat.market, slot, of_shown, self.time_ns);
            self.book.forget_lots(seat.market, whole.side, of_hidden);
        } else {
            let order = self.book.order_mut(slot);
            order.quantity -= by;
            order.remaining -= by;
            order.updated_ns = self.time_ns;
            self.book.forget_lots(seat.market, whole.side, by);
        }
        self.ledger.release(seat.paid_row(whole.side), before - self.held_for(slot));
        let order = self.whole_order(slot);
        let names = (seat.market, seat.account);
        self.events.amended(&order, names, (new, old), self.book.client_id(&order), old_client_id);
        if rests && of_shown > 0 {
            let total = self.book.level_of(slot).quantity;
            self.emit_level(seat.market, order.side, order.price, total);
        }
    }
}
