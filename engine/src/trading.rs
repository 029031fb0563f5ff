//! Orders: guards, holds, matching, and what remains.
//!
//! An order's funds are held before it can match; a fill moves base, quote and fees in the same step.

use crate::book::{accepts, Book, Order, NIL, NO_ORDER};
use crate::command::{self, CancelReplace, Header, Target, Terms, Wanted};
use crate::deadlines::pause_of;
use crate::dry_run::{market_hold, walk};
use crate::engine::{Engine, Pending};
use crate::event::{Closed, Fill, Outcome, Prevented};
use crate::ledger::{Account, Ledger};
use crate::limits::{Bounds, Window, SECOND_NS};
use crate::market::Market;
use crate::special::has_limit;
use crate::wire::*;

/// Makers that one command may touch, so that it ends within a few milliseconds. What is left then expires.
pub(crate) const MAKERS_MAX: u32 = 20_000;
/// Orders that one step of a cancel-all closes.
const CANCELS_PER_STEP: u64 = 64;
/// Lots that may rest on one side of a market, so that no sum overflows.
pub(crate) const SIDE_LOTS_MAX: Lots = 1 << 62;

/// An order while it takes.
pub(crate) struct Taker<'a> {
    pub order: Order,
    pub market: u32,
    pub account: u32,
    pub tier: u8,
    pub stp_group: u32,
    pub client_id: &'a [u8],
    /// The balance rows that it pays from and receives on.
    pub pays: u32,
    pub gets: u32,
    /// Atoms still held for it.
    pub held: Atoms,
    /// Atoms held per lot: what a fill frees. 0 where the hold is used up by what is paid (MARKET buys).
    pub held_per_lot: Atoms,
    /// What a MARKET order by budget may still spend (buy) or receive (sell).
    pub budget: Atoms,
    pub by_quote: bool,
    /// Lots that self-trade prevention took off its quantity.
    pub prevented: Lots,
    /// Prices at which it may trade.
    pub bounds: Bounds,
}

/// An order that was taken out of the book before it was filled, and what is to be freed for it.
pub(crate) struct Gone {
    pub id: u64,
    pub row: u32,
    pub held: Atoms,
    /// What its level still holds.
    pub left: Lots,
    /// The list that it belongs to, or 0.
    pub list: u64,
}

/// What the guards found out about a new order.
pub(crate) struct Admitted {
    pub seat: Option<u32>,
    pub would_take: bool,
    /// Its value at its limit price; 0 without one.
    pub value: Atoms,
}

impl Taker<'_> {
    /// Lots it can take from a maker that has `remaining` at a price where one lot costs `lot_value`.
    #[inline]
    fn wants(&self, remaining: Lots, lot_value: Atoms) -> Lots {
        if self.by_quote {
            affordable(self.budget, lot_value).min(remaining)
        } else {
            self.order.remaining.min(remaining)
        }
    }
}

#[inline]
pub(crate) fn affordable(budget: Atoms, lot_value: Atoms) -> Lots {
    (budget / lot_value).min(Lots::MAX as Atoms) as Lots
}

/// Why matching stopped.
#[derive(PartialEq, Eq)]
pub(crate) enum Stop {
    /// Nothing is left to do for the taker.
    Done,
    /// No maker is left at an acceptable price.
    NoMaker,
    SelfTrade,
    TooManyMakers,
    /// The next maker's price is outside of the range in which the market trades now.
    OutOfRange,
}

impl Engine {
    #[inline]
    pub(crate) fn place(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let id = match command::plain_place(header, bytes) {
            Some(terms) => self.place_terms(header, &terms)?,
            None => self.place_other(header, bytes)?,
        };
        if !self.triggers.is_empty() {
            self.run_triggered();
        }
        Ok(Outcome::ok(id))
    }

    #[inline(never)]
    fn place_other(&mut self, header: &Header, bytes: &[u8]) -> Result<u64, Status> {
        if header.flags == 0 {
            let terms = command::place(bytes)?;
            self.check_version(&terms)?;
            return self.place_terms(header, &terms);
        }
        let wanted = command::place_extended(bytes, header.flags, self.rules)?;
        self.check_version(&wanted.terms)?;
        self.place_wanted(header, &wanted)
    }

    fn place_wanted(&mut self, header: &Header, wanted: &Wanted) -> Result<u64, Status> {
        if wanted.is_plain() {
            self.place_apart(header, &wanted.terms)
        } else {
            self.place_special(header, wanted)
        }
    }

    /// The guards of an order that is more than its terms. `beside` counts the orders of the same list before it; an
    /// order that waits does not meet the book yet.
    pub(crate) fn admit(
        &mut self,
        header: &Header,
        terms: &Terms,
        meets_book: bool,
        beside: u32,
    ) -> Result<Admitted, Status> {
        let account = self.ledger.account_to_trade(header.account)?;
        let market = self.markets.get_mut(place_of(header.market)).ok_or(status::UNKNOWN_MARKET)?;
        let meets = Meets { book: meets_book, beside, time_ns: self.time_ns };
        admit(&self.book, &self.ledger, (account, market), header, terms, meets)
    }

    /// Guards; then the order is accepted and its id returned. Inlined, since nearly every command comes this way.
    #[inline(always)]
    fn place_terms(&mut self, header: &Header, terms: &Terms) -> Result<u64, Status> {
        let account = self.ledger.account_to_trade(header.account)?;
        let recent_seat = account.recent_seat;
        let market = self.markets.get_mut(place_of(header.market)).ok_or(status::UNKNOWN_MARKET)?;
        let meets = Meets { book: true, beside: 0, time_ns: self.time_ns };
        let admitted = admit(&self.book, &self.ledger, (account, market), header, terms, meets)?;
        let is_market = terms.order_type == order_type::MARKET;
        let hold = if is_market {
            market_hold(&self.book, &self.ledger, market, header, terms, self.time_ns)
        } else {
            market.hold_of_value(terms.side, admitted.value, terms.quantity)
        };
        let payer = admitted.seat.map(|seat| self.book.seats[seat as usize].paid_row(terms.side));
        let available = match payer {
            Some(row) => self.ledger.rows[row as usize].available,
            None => self.ledger.available(header.account, market.asset_paid(terms.side)),
        };
        if available < hold {
            return Err(status::INSUFFICIENT_BALANCE);
        }
        let seat = match admitted.seat {
            Some(seat) if seat == recent_seat => seat,
            _ => sit_down(&mut self.book, &mut self.ledger, market, header.account, header.market),
        };

        // From here on nothing is refused: the order exists, holds its funds, trades, and rests or ends.
        self.last_order_id += 1;
        let order = Order::new(self.last_order_id, terms, terms.quantity, self.time_ns, seat);
        self.events.accepted(&order, header.market, header.account, terms.budget, terms.client_id);
        if admitted.would_take | is_market | (terms.time_in_force != time_in_force::GTC) {
            return Ok(self.accept_taker(header, terms, seat, hold, admitted.would_take));
        }
        market.update_id += 1;
        let update_id = market.update_id;
        let (_, total) = self.book.rest(header.market, order, terms.client_id);
        self.events.level(header.market, terms.side, terms.price, total, update_id);
        let payer = match payer {
            Some(row) => row,
            None => self.book.seats[seat as usize].paid_row(terms.side),
        };
        if let Some(payer) = self.ledger.hold_last(payer, hold) {
            self.events.balance_held(payer);
        }
        Ok(order.id)
    }

    /// What an order says must have a meaning in the rules that are active.
    #[inline]
    fn check_version(&self, terms: &Terms) -> Result<(), Status> {
        if terms.stp == stp::DECREMENT && self.rules < 2 {
            return Err(status::MALFORMED);
        }
        Ok(())
    }

    /// `place_terms` for commands that are rare enough to call it.
    #[inline(never)]
    fn place_apart(&mut self, header: &Header, terms: &Terms) -> Result<u64, Status> {
        self.place_terms(header, terms)
    }

    /// The account's first order in a market: its balance rows there, and its place in the account's list of seats.
    pub(crate) fn take_seat(&mut self, account: u32, market: u32) -> u32 {
        take_seat(&mut self.book, &mut self.ledger, &self.markets[place_of(market)], account, market)
    }

    /// The seat of an account in a market, made when it is missing.
    pub(crate) fn sit(&mut self, header: &Header, seat: Option<u32>) -> u32 {
        let market = &self.markets[place_of(header.market)];
        seat.unwrap_or_else(|| sit_down(&mut self.book, &mut self.ledger, market, header.account, header.market))
    }

    #[inline]
    fn group_of(&self, order: &Order) -> u32 {
        stp_group_of(&self.book, &self.ledger, order)
    }

    /// The order just accepted, if it does not simply rest: it takes what it may, and then rests or ends.
    #[inline(never)]
    fn accept_taker(&mut self, header: &Header, terms: &Terms, seat: u32, hold: Atoms, would_take: bool) -> u64 {
        let account = &self.ledger.accounts[header.account as usize];
        let seated = &self.book.seats[seat as usize];
        let mut taker = Taker {
            order: Order::new(self.last_order_id, terms, terms.quantity, self.time_ns, seat),
            market: header.market,
            account: header.account,
            tier: account.tier,
            stp_group: account.stp_group,
            client_id: terms.client_id,
            pays: seated.paid_row(terms.side),
            gets: seated.paid_row(terms.side ^ 1),
            held: hold,
            held_per_lot: self.held_per_lot(header.market, terms),
            budget: terms.budget,
            by_quote: terms.budget > 0,
            prevented: 0,
            bounds: self.markets[place_of(header.market)].execution_bounds(terms.side, self.time_ns),
        };
        self.ledger.hold(taker.pays, hold);
        let takes = would_take || terms.order_type == order_type::MARKET;
        let fills = || {
            let market = &self.markets[place_of(header.market)];
            walk(&self.book, &self.ledger, market, (header.account, header.market), terms, taker.bounds).0
        };
        if !takes || (terms.time_in_force == time_in_force::FOK && fills() < terms.quantity) {
            return self.end_taker(&taker, close_reason::EXPIRED);
        }
        let stop = self.take(&mut taker);
        let is_out_of_range = stop == Stop::OutOfRange;
        let id = match reason_to_end(&taker, stop) {
            Some(reason) => self.end_taker(&taker, reason),
            None => self.rest_taker(taker),
        };
        if is_out_of_range {
            self.pause(header.market);
        }
        id
    }

    fn rest_taker(&mut self, taker: Taker) -> u64 {
        if taker.prevented > 0 {
            self.book.mark_prevented(taker.order.id, taker.prevented);
        }
        self.rest(taker.market, taker.order, taker.client_id)
    }

    fn rest(&mut self, market: u32, order: Order, client_id: &[u8]) -> u64 {
        let (_, total) = self.book.rest(market, order, client_id);
        self.emit_level(market, order.side, order.price, total);
        order.id
    }

    fn held_per_lot(&self, market: u32, terms: &Terms) -> Atoms {
        let uses_up_its_hold = terms.order_type == order_type::MARKET && terms.side == side::BUY;
        if uses_up_its_hold {
            0
        } else {
            self.markets[place_of(market)].hold_of_lot(terms.side, terms.price)
        }
    }

    fn end_taker(&mut self, taker: &Taker, reason: u8) -> u64 {
        if taker.held > 0 {
            self.ledger.release(taker.pays, taker.held);
        }
        self.events.closed(&Closed {
            order: &taker.order,
            market: taker.market,
            account: taker.account,
            reason,
            rested: false,
            by_quote: taker.by_quote,
            prevented: taker.prevented,
            client_id: taker.client_id,
            request_id: &[],
        });
        taker.order.id
    }

    /// Stops trade for a while, if the market is one that does. Afterwards its reference is the last price.
    #[cold]
    pub(crate) fn pause(&mut self, market_id: u32) {
        let Some(limited) = &mut self.markets[place_of(market_id)].limited else { return };
        if limited.limits.pause_seconds > 0 {
            limited.window = Window::default();
            let until_ns = self.time_ns + limited.limits.pause_seconds as i64 * SECOND_NS;
            self.deadlines.set(pause_of(market_id), until_ns);
            self.set_state(market_id, market_state::PAUSED);
        }
    }

    /// Matches by price, then time, at the makers' prices.
    pub(crate) fn take(&mut self, taker: &mut Taker) -> Stop {
        let mut makers = 0;
        let stop = self.take_levels(taker, &mut makers);
        self.triggers.touched += makers;
        stop
    }

    #[inline(always)]
    fn take_levels(&mut self, taker: &mut Taker, makers: &mut u32) -> Stop {
        let makers_side = taker.order.side ^ 1;
        loop {
            let Some(level) = self.book.best(taker.market, makers_side) else { return Stop::NoMaker };
            let price = self.book.level(level).price;
            if has_limit(taker.order.order_type) && !accepts(taker.order.side, taker.order.price, price) {
                return Stop::NoMaker;
            }
            if !(taker.bounds.0..=taker.bounds.1).contains(&price) {
                let lot_value = self.markets[place_of(taker.market)].lot_value(price);
                return if taker.wants(Lots::MAX, lot_value) == 0 { Stop::Done } else { Stop::OutOfRange };
            }
            let before = self.book.level(level).quantity;
            let (stop, left) = self.take_level(taker, level, makers);
            if left != before {
                self.emit_level(taker.market, makers_side, price, left);
            }
            if self.markets[place_of(taker.market)].is_watched {
                self.watch(taker.market);
            }
            if let Some(stop) = stop {
                return stop;
            }
        }
    }

    /// Takes from one level, oldest first. Returns why to stop, if so, and what the level still holds.
    fn take_level(&mut self, taker: &mut Taker, level: u32, makers: &mut u32) -> (Option<Stop>, Lots) {
        let lot_value = self.markets[place_of(taker.market)].lot_value(self.book.level(level).price);
        loop {
            let slot = self.book.level(level).head;
            let maker = self.book.order(slot);
            let quantity = taker.wants(maker.remaining, lot_value);
            if quantity == 0 {
                return (Some(Stop::Done), self.book.level(level).quantity);
            }
            if *makers == MAKERS_MAX {
                return (Some(Stop::TooManyMakers), self.book.level(level).quantity);
            }
            *makers += 1;
            let total = self.book.level(level).quantity;
            let is_last = maker.next_at_level() == NO_ORDER;
            if taker.order.stp != stp::NONE && self.group_of(maker) == taker.stp_group {
                let (left, is_spent) = self.prevent(taker, slot, lot_value);
                if is_spent {
                    return (Some(Stop::SelfTrade), left);
                }
                if left == 0 {
                    return (None, 0);
                }
                continue;
            }
            self.fill(taker, slot, quantity, lot_value);
            let maker = self.book.order(slot);
            let is_filled = maker.remaining == 0;
            if maker.is_special() && self.goes_on(slot, is_filled) {
                if !taker.by_quote && taker.order.remaining == 0 {
                    return (Some(Stop::Done), self.book.level(level).quantity);
                }
                continue;
            }
            if is_filled {
                self.close_filled(taker.market, slot);
                if is_last {
                    let is_done = !taker.by_quote && taker.order.remaining == 0;
                    return (is_done.then_some(Stop::Done), 0);
                }
            }
            if !taker.by_quote && taker.order.remaining == 0 {
                return (Some(Stop::Done), total - quantity);
            }
        }
    }

    /// Self-trade prevention instead of a fill. Returns what the level holds then, and whether the taker is spent.
    #[inline(never)]
    fn prevent(&mut self, taker: &mut Taker, slot: u32, lot_value: Atoms) -> (Lots, bool) {
        let maker = *self.book.order(slot);
        let (mode, maker_rest) = (taker.order.stp, self.remaining_of(slot));
        let matched = taker.wants(maker.remaining, lot_value);
        // A budget has no lots of its own: of it, what it wanted of this maker is prevented.
        let taker_rest = if taker.by_quote { matched } else { taker.order.remaining };
        let (taker_lots, maker_lots) = match mode {
            stp::EXPIRE_TAKER => (taker_rest, 0),
            stp::EXPIRE_MAKER => (0, maker_rest),
            stp::EXPIRE_BOTH => (taker_rest, maker_rest),
            _ => (matched, matched),
        };
        if self.rules >= 2 {
            self.tell_prevented(taker, &maker, taker_lots, maker_lots);
        }
        let left = if maker_lots == maker_rest {
            let gone = if maker.is_special() {
                self.take_out_special(slot, close_reason::EXPIRED_STP, &[])
            } else {
                self.take_out(slot, close_reason::EXPIRED_STP, &[])
            };
            self.ledger.release(gone.row, gone.held);
            self.leave_list(gone.list, close_reason::EXPIRED_STP, &[]);
            gone.left
        } else {
            if maker_lots > 0 {
                self.decrement_maker(taker.market, slot, maker_lots);
            }
            self.book.level_of(slot).quantity
        };
        if mode != stp::DECREMENT {
            return (left, mode != stp::EXPIRE_MAKER);
        }
        self.decrement_taker(taker, matched, lot_value);
        (left, taker.wants(Lots::MAX, lot_value) == 0)
    }

    fn tell_prevented(&mut self, taker: &Taker, maker: &Order, taker_lots: Lots, maker_lots: Lots) {
        let market = &mut self.markets[place_of(taker.market)];
        market.prevented_id += 1;
        self.events.prevented(&Prevented {
            market: taker.market,
            id: market.prevented_id,
            price: maker.price,
            taker_order: taker.order.id,
            maker_order: maker.id,
            taker_account: taker.account,
            maker_account: self.book.seats[maker.seat as usize].account,
            taker_lots,
            maker_lots,
            stp_group: taker.stp_group,
            mode: taker.order.stp,
            taker_side: taker.order.side,
        });
    }

    /// A maker that loses some of its lots and stays where it is.
    fn decrement_maker(&mut self, market: u32, slot: u32, lots: Lots) {
        let before = self.held_for(slot);
        self.book.reduce(market, slot, lots, self.time_ns);
        let order = *self.book.order(slot);
        let row = self.book.seats[order.seat as usize].paid_row(order.side);
        self.ledger.release(row, before - self.held_for(slot));
        self.book.mark_prevented(order.id, lots);
        if order.remaining == 0 {
            self.show_more(slot);
        }
    }

    /// The same for the taker. Orders by budget, and MARKET buys, hold nothing for lots that they do not get.
    fn decrement_taker(&mut self, taker: &mut Taker, lots: Lots, lot_value: Atoms) {
        taker.prevented += lots;
        if taker.by_quote {
            taker.budget -= lot_value.wrapping_mul(lots as Atoms);
            return;
        }
        taker.order.quantity -= lots;
        taker.order.remaining -= lots;
        let freed = taker.held_per_lot.wrapping_mul(lots as Atoms);
        if freed > 0 {
            taker.held -= freed;
            self.ledger.release(taker.pays, freed);
        }
    }

    /// One fill: base, quote and fees move between taker, maker and the fee account, and nothing else does.
    #[inline(always)]
    fn fill(&mut self, taker: &mut Taker, slot: u32, quantity: Lots, lot_value: Atoms) {
        let quote = lot_value.wrapping_mul(quantity as Atoms); // at most the maker's notional
        self.book.fill(taker.market, slot, quantity, quote, self.time_ns);
        let maker = self.book.order(slot);
        let maker_seat = &self.book.seats[maker.seat as usize];
        let maker_tier = self.ledger.accounts[maker_seat.account as usize].tier;
        let market = &mut self.markets[place_of(taker.market)];
        let base = market.base_atoms(quantity);
        let taker_sells = taker.order.side == side::SELL;
        let (paid, received) = if taker_sells { (base, quote) } else { (quote, base) };
        let taker_fee = market.fees.fee(received, taker.tier, true, taker_sells);
        let maker_fee = market.fees.fee(paid, maker_tier, false, !taker_sells);
        market.trade_id += 1;
        market.last_price = maker.price;
        if let Some(limited) = &mut market.limited {
            limited.traded(self.time_ns, maker.price, quantity);
        }

        let freed = if taker.held_per_lot == 0 { paid } else { taker.held_per_lot.wrapping_mul(quantity as Atoms) };
        taker.held -= freed;
        if taker.by_quote {
            // A budget has no lots of its own: what it executes becomes what it asked for.
            taker.budget -= quote;
            taker.order.quantity += quantity;
        } else {
            taker.order.remaining -= quantity;
        }
        taker.order.executed_quote += quote;

        let mut rows = self.ledger.open_rows();
        rows.pay(taker.pays, freed, paid);
        rows.receive(taker.gets, received - taker_fee);
        // A maker holds exactly what it pays: it trades at its own price.
        rows.pay(maker_seat.paid_row(maker.side), received, received);
        rows.receive(maker_seat.paid_row(taker.order.side), paid - maker_fee);
        let [base_fee_row, quote_fee_row] = market.fee_rows;
        let (base_fee, quote_fee) = if taker_sells { (maker_fee, taker_fee) } else { (taker_fee, maker_fee) };
        if base_fee > 0 {
            rows.receive(base_fee_row, base_fee);
        }
        if quote_fee > 0 {
            rows.receive(quote_fee_row, quote_fee);
        }
        self.events.trade(&Fill {
            market: taker.market,
            trade_id: market.trade_id,
            price: maker.price,
            quantity,
            maker_order: maker.id,
            taker_order: taker.order.id,
            maker_account: maker_seat.account,
            taker_account: taker.account,
            taker_side: taker.order.side,
            quote,
            maker_fee,
            taker_fee,
        });
    }

    /// A maker that is executed to the end: it holds nothing any more.
    #[inline(always)]
    fn close_filled(&mut self, market: u32, slot: u32) {
        self.tell_closed(slot, close_reason::FILLED, &[]);
        self.book.remove(market, slot);
        if self.book.order(slot).is_special() {
            self.special_is_filled(slot);
        }
    }

    /// Takes a plain order out of the book before it is filled. The caller tells its level and frees what it held.
    #[inline(always)]
    fn take_out(&mut self, slot: u32, reason: u8, request_id: &[u8]) -> Gone {
        let order = self.book.order(slot);
        let seat = &self.book.seats[order.seat as usize];
        let (id, row, market) = (order.id, seat.paid_row(order.side), seat.market);
        let held = self.markets[place_of(market)].hold_of(order.side, order.price, order.remaining);
        self.tell_closed(slot, reason, request_id);
        let left = self.book.remove(market, slot);
        Gone { id, row, held, left, list: 0 }
    }

    /// Tells the end of an order that rested.
    #[inline(always)]
    fn tell_closed(&mut self, slot: u32, reason: u8, request_id: &[u8]) {
        let order = self.book.order(slot);
        let seat = &self.book.seats[order.seat as usize];
        self.events.closed(&Closed {
            order,
            market: seat.market,
            account: seat.account,
            reason,
            rested: true,
            by_quote: false,
            prevented: self.book.prevented(order),
            client_id: self.book.client_id(order),
            request_id,
        });
    }

    /// Tells the total of a level that has changed.
    #[inline(always)]
    pub(crate) fn emit_level(&mut self, market_id: u32, side: u8, price: Ticks, total: Lots) {
        let market = &mut self.markets[place_of(market_id)];
        market.update_id += 1;
        self.events.level(market_id, side, price, total, market.update_id);
    }

    /// The open order that a command of this account and market names.
    #[inline(always)]
    pub(crate) fn find_target(&self, header: &Header, target: &Target) -> Result<u32, Status> {
        let slot = if target.order_id != 0 {
            self.book.find(target.order_id)
        } else {
            self.book.find_client_id(header.account, target.client_id)
        };
        match slot {
            Some(slot) if self.is_meant(header, target, slot) => Ok(slot),
            // An account that has an order exists.
            _ if self.ledger.account(header.account).is_none() => Err(status::UNKNOWN_ACCOUNT),
            _ => Err(status::UNKNOWN_ORDER),
        }
    }

    #[inline(always)]
    fn is_meant(&self, header: &Header, target: &Target, slot: u32) -> bool {
        let order = self.book.order(slot);
        let seat = &self.book.seats[order.seat as usize];
        seat.account == header.account
            && seat.market == header.market
            && (target.client_id.is_empty() || self.book.client_id(order) == target.client_id)
    }

    #[inline]
    pub(crate) fn cancel(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        match command::plain_cancel(header, bytes) {
            Some(target) => self.cancel_target(header, &target, &[]),
            None => self.cancel_other(header, bytes),
        }
    }

    #[inline(never)]
    fn cancel_other(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let cancel = command::cancel(bytes, header.flags)?;
        self.cancel_target(header, &cancel.target, cancel.request_id)
    }

    #[inline(always)]
    fn cancel_target(&mut self, header: &Header, target: &Target, request_id: &[u8]) -> Result<Outcome, Status> {
        let slot = self.find_target(header, target)?;
        if self.book.order(slot).is_special() {
            let id = self.book.order(slot).id;
            self.close_special(slot, close_reason::CANCELLED, request_id);
            return Ok(Outcome::ok(id));
        }
        let gone = self.cancel_slot(header.market, slot, close_reason::CANCELLED, request_id);
        if let Some(payer) = self.ledger.release_last(gone.row, gone.held) {
            self.events.balance_held(payer);
        }
        Ok(Outcome::ok(gone.id))
    }

    /// Closes one plain order and tells its level. The caller frees what it held.
    #[inline(always)]
    fn cancel_slot(&mut self, market: u32, slot: u32, reason: u8, request_id: &[u8]) -> Gone {
        let order = self.book.order(slot);
        let (side, price) = (order.side, order.price);
        let gone = self.take_out(slot, reason, request_id);
        self.emit_level(market, side, price, gone.left);
        gone
    }

    #[inline]
    pub(crate) fn cancel_replace(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let replace = command::cancel_replace(bytes, header.flags, self.rules)?;
        self.check_version(&replace.wanted.terms)?;
        let outcome = self.replace(header, replace)?;
        if !self.triggers.is_empty() {
            self.run_triggered();
        }
        Ok(outcome)
    }

    #[inline(always)]
    fn replace(&mut self, header: &Header, replace: CancelReplace) -> Result<Outcome, Status> {
        let mut wanted = replace.wanted;
        let takes_remaining = wanted.terms.quantity == 0 && wanted.terms.budget == 0;
        let slot = match self.find_target(header, &replace.target) {
            Ok(slot) => slot,
            Err(status::UNKNOWN_ORDER) if replace.allow_failure && !takes_remaining => {
                let id = self.place_wanted(header, &wanted)?;
                return Ok(Outcome::with_status(status::REPLACED_WITHOUT_CANCEL, id));
            }
            Err(status) => return Err(status),
        };
        if self.ledger.accounts[header.account as usize].frozen {
            return Err(status::ACCOUNT_FROZEN);
        }
        if takes_remaining {
            wanted.terms.quantity = self.remaining_of(slot);
        }
        if self.book.order(slot).is_special() {
            self.close_special(slot, close_reason::REPLACED, replace.request_id);
        } else {
            let gone = self.cancel_slot(header.market, slot, close_reason::REPLACED, replace.request_id);
            self.ledger.release(gone.row, gone.held);
        }
        let placed = if wanted.is_plain() {
            self.place_terms(header, &wanted.terms)
        } else {
            self.place_special(header, &wanted)
        };
        Ok(match placed {
            Ok(id) => Outcome::ok(id),
            Err(refusal) => Outcome::with_status(status::REPLACE_REFUSED, refusal as u64),
        })
    }

    pub(crate) fn amend(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let amend = command::amend(bytes, header.flags)?;
        let slot = self.find_target(header, &amend.target)?;
        if self.ledger.accounts[header.account as usize].frozen {
            return Err(status::ACCOUNT_FROZEN);
        }
        let market = &self.markets[place_of(header.market)];
        if market.state != market_state::TRADING && !market.is_resting() {
            return Err(status::MARKET_CLOSED);
        }
        let order = self.whole_order(slot);
        if amend.quantity < market.filters.lot_min {
            return Err(status::LOT_SIZE);
        }
        let prevented = self.book.prevented(&order);
        let (asked, ended) = (order.quantity + prevented, order.executed() + prevented);
        if amend.quantity >= asked || amend.quantity <= ended {
            return Err(status::AMEND_NOT_SMALLER);
        }
        let is_priced = has_limit(order.order_type);
        if is_priced && market.notional(order.price, amend.quantity) < market.filters.notional_min {
            return Err(status::NOTIONAL);
        }
        if self.book.find_client_id(header.account, amend.client_id).is_some_and(|found| found != slot) {
            return Err(status::DUPLICATE_CLIENT_ID);
        }
        let most = market.limited.as_ref().map_or(0, |limited| limited.limits.max_amends);
        if most > 0 && self.book.marks_of(order.id).amends >= most {
            return Err(status::MAX_NUM_ORDER_AMENDS);
        }
        self.shrink(header, slot, (amend.quantity, asked), amend.client_id);
        if self.rules >= 2 {
            self.book.mark_amended(order.id);
        }
        Ok(Outcome::ok(order.id))
    }

    /// Lessens an order from the old to the new quantity in all, in its place, and frees what it no longer needs.
    fn shrink(&mut self, header: &Header, slot: u32, (new, old): (Lots, Lots), client_id: &[u8]) {
        let order = *self.book.order(slot);
        let old_client_id = self.book.client_id(&order).to_vec();
        if !client_id.is_empty() && client_id != old_client_id {
            self.book.rename(slot, client_id);
        }
        let row = self.book.seats[order.seat as usize].paid_row(order.side);
        if order.is_special() {
            return self.shrink_special(slot, (new, old), &old_client_id);
        }
        let by = old - new;
        self.book.reduce(header.market, slot, by, self.time_ns);
        let market = &self.markets[place_of(header.market)];
        self.ledger.release(row, market.hold_of(order.side, order.price, by));
        let reduced = self.book.order(slot);
        let names = (header.market, header.account);
        self.events.amended(reduced, names, (new, old), self.book.client_id(reduced), &old_client_id);
        let total = self.book.level_of(slot).quantity;
        self.emit_level(header.market, order.side, order.price, total);
    }

    pub(crate) fn cancel_all(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        command::header_only(bytes, header.flags)?;
        self.ledger.account(header.account).ok_or(status::UNKNOWN_ACCOUNT)?;
        if header.market != 0 {
            self.market(header.market).ok_or(status::UNKNOWN_MARKET)?;
        }
        let work = Pending {
            account: header.account,
            market: header.market,
            last_order_id: self.last_order_id,
            sequence: self.sequence,
        };
        let (cancelled, more) = self.cancel_step(&work);
        if more {
            self.pending.push_back(work);
        }
        Ok(Outcome::ok(cancelled).with_more(more))
    }

    /// CONTINUE: the next step of the oldest pending work.
    pub(crate) fn go_on(&mut self) -> Outcome {
        if !self.triggers.is_empty() {
            self.run_triggered();
            return Outcome::ok(0);
        }
        let Some(work) = self.pending.pop_front() else { return Outcome::ok(0) };
        let (_, more) = self.cancel_step(&work);
        let outcome = Outcome::ok(work.sequence).with_more(more);
        if more {
            self.pending.push_front(work);
        }
        outcome
    }

    /// Slots of an account's open orders, in one market or (0) in all, oldest first within a market.
    pub fn open_orders(&self, account: u32, market: u32) -> Vec<u32> {
        let mut slots = Vec::new();
        let mut at = self.ledger.estates.get(account as usize).map_or(NIL, |estate| estate.first_seat);
        while at != NIL {
            let seat = &self.book.seats[at as usize];
            let mut slot = if market == 0 || seat.market == market { seat.head } else { NO_ORDER };
            while slot != NO_ORDER {
                slots.push(slot);
                slot = self.book.order(slot).next_of_seat();
            }
            at = seat.next_of_account;
        }
        slots
    }

    /// Cancels up to 64 orders; returns how many, and whether more are left.
    pub(crate) fn cancel_step(&mut self, work: &Pending) -> (u64, bool) {
        let mut cancelled = 0;
        let mut seat = self.ledger.estates[work.account as usize].first_seat;
        while seat != NIL {
            let market = self.book.seats[seat as usize].market;
            while let Some(slot) = self.oldest_to_cancel(seat, work) {
                if cancelled >= CANCELS_PER_STEP {
                    return (cancelled, true);
                }
                if self.book.order(slot).is_special() {
                    cancelled += self.close_special(slot, close_reason::CANCELLED, &[]);
                    continue;
                }
                let gone = self.cancel_slot(market, slot, close_reason::CANCELLED, &[]);
                self.ledger.release(gone.row, gone.held);
                cancelled += 1;
            }
            seat = self.book.seats[seat as usize].next_of_account;
        }
        (cancelled, false)
    }

    fn oldest_to_cancel(&self, seat: u32, work: &Pending) -> Option<u32> {
        let seat = &self.book.seats[seat as usize];
        let is_meant = work.market == 0 || seat.market == work.market;
        (is_meant && seat.head != NO_ORDER && self.book.order(seat.head).id <= work.last_order_id).then_some(seat.head)
    }
}

/// Why a taker ends when matching has stopped; None if what is left of it rests.
pub(crate) fn reason_to_end(taker: &Taker, stop: Stop) -> Option<u8> {
    let order = &taker.order;
    let rests = has_limit(order.order_type) && order.time_in_force() == time_in_force::GTC;
    let is_spent = taker.by_quote && taker.budget == 0;
    match stop {
        Stop::NoMaker if rests => None,
        Stop::Done if !taker.by_quote || order.executed() > 0 => Some(close_reason::FILLED),
        Stop::NoMaker if is_spent => Some(close_reason::FILLED),
        Stop::SelfTrade => Some(close_reason::EXPIRED_STP),
        Stop::OutOfRange => Some(close_reason::EXPIRED_PRICE_RANGE),
        _ => Some(close_reason::EXPIRED),
    }
}

/// Whether a new order meets the book at once, how many orders of its list are placed before it, and when.
struct Meets {
    book: bool,
    beside: u32,
    time_ns: i64,
}

/// The guards of every new order, in the order of docs/formats/rules.md, from the market's state on, up to what it must
/// hold.
#[inline(always)]
fn admit(
    book: &Book,
    ledger: &Ledger,
    (account, market): (&Account, &mut Market),
    header: &Header,
    terms: &Terms,
    meets: Meets,
) -> Result<Admitted, Status> {
    market.check_state(terms)?;
    let value = market.check_filters(terms)?;
    let seat = book.find_seat(account.recent_seat, header.account, header.market);
    let open_orders = seat.map_or(0, |seat| book.seats[seat as usize].open_orders);
    if open_orders + meets.beside >= market.filters.max_orders {
        return Err(status::MAX_NUM_ORDERS);
    }
    if market.limited.is_some() {
        check_limits(book, ledger, market, header, terms, meets.time_ns)?;
    }
    if book.find_client_id(header.account, terms.client_id).is_some() {
        return Err(status::DUPLICATE_CLIENT_ID);
    }
    let sides = book.sides(header.market);
    let would_take = sides.of(terms.side ^ 1).tempts(terms.side, terms.price);
    if would_take && meets.book {
        let must_rest = terms.order_type == order_type::LIMIT_MAKER || market.state != market_state::TRADING;
        if must_rest {
            return Err(status::WOULD_TAKE);
        }
    }
    if sides.of(terms.side).lots + terms.quantity > SIDE_LOTS_MAX {
        return Err(status::LIMIT_REACHED);
    }
    Ok(Admitted { seat, would_take, value })
}

/// The limits that look at nothing but the order, the reference price and the account's position.
#[inline(never)]
fn check_limits(
    book: &Book,
    ledger: &Ledger,
    market: &mut Market,
    header: &Header,
    terms: &Terms,
    time_ns: i64,
) -> Result<(), Status> {
    let last_price = market.last_price;
    let Some(limited) = &mut market.limited else { return Ok(()) };
    if has_limit(terms.order_type) {
        let (lowest, highest) = limited.price_bounds(terms.side, time_ns, last_price);
        if !(lowest..=highest).contains(&terms.price) {
            return Err(status::PERCENT_PRICE_BY_SIDE);
        }
    }
    let most = limited.limits.max_position;
    if most > 0 && terms.side == side::BUY {
        let bounds = market.execution_bounds(terms.side, time_ns);
        let bought = if terms.budget > 0 {
            walk(book, ledger, market, (header.account, header.market), terms, bounds).0
        } else {
            terms.quantity
        };
        let lots = book.open_lots(header.account, header.market, side::BUY) + bought as Atoms;
        if ledger.total(header.account, market.base) + lots * market.lot_atoms as Atoms > most {
            return Err(status::MAX_POSITION);
        }
    }
    Ok(())
}

#[inline]
pub(crate) fn stp_group_of(book: &Book, ledger: &Ledger, order: &Order) -> u32 {
    let account = book.seats[order.seat as usize].account;
    ledger.accounts[account as usize].stp_group
}

/// The seat of an account that places an order elsewhere than last time, or for the first time.
#[inline(never)]
fn sit_down(book: &mut Book, ledger: &mut Ledger, market: &Market, account: u32, market_id: u32) -> u32 {
    let recent = ledger.accounts[account as usize].recent_seat;
    let known = book.find_seat(recent, account, market_id);
    let seat = known.unwrap_or_else(|| take_seat(book, ledger, market, account, market_id));
    ledger.accounts[account as usize].recent_seat = seat;
    seat
}

fn take_seat(book: &mut Book, ledger: &mut Ledger, market: &Market, account: u32, market_id: u32) -> u32 {
    let (base_row, quote_row) = (ledger.row(account, market.base), ledger.row(account, market.quote));
    let seat = book.add_seat(account, market_id, base_row, quote_row);
    let estate = &mut ledger.estates[account as usize];
    match estate.last_seat {
        NIL => estate.first_seat = seat,
        last => book.seats[last as usize].next_of_account = seat,
    }
    estate.last_seat = seat;
    seat
}
