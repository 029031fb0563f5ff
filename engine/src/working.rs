//! How an order that was parked outside the book works: it takes what it may, and then rests or ends.

use crate::book::Order;
use crate::command::Terms;
use crate::dry_run::walk;
use crate::engine::Engine;
use crate::event::Closed;
use crate::special::{has_limit, is_stop, working_type};
use crate::trading::{reason_to_end, Stop, Taker};
use crate::wire::*;

impl Engine {
    /// A parked order begins: to wait for its trigger, or to work at once.
    pub(crate) fn start(&mut self, slot: u32) {
        if is_stop(self.book.order(slot).order_type) {
            self.await_trigger(slot);
        } else {
            self.work(slot);
        }
    }

    /// A parked order takes what it may, and then rests or ends.
    pub(crate) fn work(&mut self, slot: u32) {
        let parked = *self.book.order(slot);
        let seat = self.book.seats[parked.seat as usize];
        let tempted = self.book.side(seat.market, parked.side ^ 1).tempts(parked.side, parked.price);
        if parked.order_type == order_type::LIMIT_MAKER && tempted {
            self.close_special(slot, close_reason::EXPIRED, &[]);
            return;
        }
        let account = &self.ledger.accounts[seat.account as usize];
        let mut order = parked;
        order.updated_ns = self.time_ns;
        let mut taker = Taker {
            order,
            market: seat.market,
            account: seat.account,
            tier: account.tier,
            stp_group: account.stp_group,
            client_id: &[],
            pays: seat.paid_row(parked.side),
            gets: seat.paid_row(parked.side ^ 1),
            held: self.need(slot, parked.remaining),
            held_per_lot: self.markets[place_of(seat.market)].hold_of_lot(parked.side, parked.price),
            budget: 0,
            by_quote: false,
            prevented: 0,
            bounds: self.markets[place_of(seat.market)].execution_bounds(parked.side, self.time_ns),
        };
        let unfunded = self.fund_market_buy(&mut taker);
        let takes = tempted || !has_limit(parked.order_type);
        let stop = match takes {
            _ if !self.may_take(&taker) => None,
            true => Some(self.take(&mut taker)),
            false => Some(Stop::NoMaker),
        };
        let is_out_of_range = stop == Some(Stop::OutOfRange);
        let mut reason = stop.map_or(Some(close_reason::EXPIRED), |stop| reason_to_end(&taker, stop));
        if unfunded > 0 {
            taker.order.remaining += unfunded;
            reason = reason.map(|reason| if reason == close_reason::FILLED { close_reason::UNFUNDED } else { reason });
        }
        match reason {
            None => self.rest_parked(slot, &taker),
            Some(reason) => self.end_worked(slot, &taker, reason),
        }
        if is_out_of_range {
            self.pause(seat.market);
        }
    }

    /// Whether a fill-or-kill order finds everything that it wants; others need not.
    fn may_take(&mut self, taker: &Taker) -> bool {
        let terms = terms_of(&taker.order);
        terms.time_in_force != time_in_force::FOK || self.dry_run(taker, &terms).0 == terms.quantity
    }

    /// Lots and value that a parked order would execute. The makers that it looks at count as touched: many orders may
    /// work in one command, and looking takes its time.
    fn dry_run(&mut self, taker: &Taker, terms: &Terms) -> (Lots, Atoms) {
        let market = &self.markets[place_of(taker.market)];
        let who = (taker.account, taker.market);
        let (lots, value, makers) = walk(&self.book, &self.ledger, market, who, terms, taker.bounds);
        self.triggers.touched += makers;
        (lots, value)
    }

    /// A buy without a limit price holds exactly what it will pay, or as much of that as there is: it then wants fewer
    /// lots. Returns how many fewer.
    fn fund_market_buy(&mut self, taker: &mut Taker) -> Lots {
        let order = taker.order;
        if has_limit(order.order_type) || order.side == side::SELL {
            return 0;
        }
        let terms = terms_of(&order);
        let funds = taker.held + self.ledger.rows[taker.pays as usize].available;
        let (mut lots, mut value) = (order.remaining, self.dry_run(taker, &terms).1);
        if value > funds {
            (lots, value) = if funds > 0 { self.dry_run(taker, &Terms { budget: funds, ..terms }) } else { (0, 0) };
        }
        let unfunded = order.remaining - lots;
        self.ledger.hold(taker.pays, value - taker.held);
        (taker.order.remaining, taker.held, taker.held_per_lot) = (lots, value, 0);
        unfunded
    }

    /// What is left of a parked order goes into the book.
    fn rest_parked(&mut self, slot: u32, taker: &Taker) {
        let order = &taker.order;
        if taker.prevented > 0 {
            self.book.mark_prevented(order.id, taker.prevented);
        }
        let (now, market) = (self.time_ns, self.book.seats[order.seat as usize].market);
        self.book.forget_lots(market, order.side, self.book.order(slot).remaining - order.remaining);
        let special = self.special_mut(slot);
        special.state = order_state::RESTING;
        special.working_ns = now;
        special.hidden = if special.iceberg > 0 { order.remaining.saturating_sub(special.iceberg) } else { 0 };
        let mut shown = *order;
        shown.quantity -= special.hidden;
        shown.remaining -= special.hidden;
        let total = self.book.settle(market, slot, shown);
        self.emit_level(market, order.side, order.price, total);
    }

    /// A parked order that has worked ends: filled, or with a remainder that cannot rest.
    fn end_worked(&mut self, slot: u32, taker: &Taker, reason: u8) {
        self.ledger.release(taker.pays, taker.held);
        self.events.closed(&Closed {
            order: &taker.order,
            market: taker.market,
            account: taker.account,
            reason,
            rested: false,
            by_quote: false,
            prevented: taker.prevented,
            client_id: self.book.client_id(&taker.order),
            request_id: &[],
        });
        let list = self.special(slot).list;
        self.book.specials.remove(&taker.order.id);
        self.book.leave(taker.market, slot);
        self.leave_list(list, reason, &[]);
    }
}

/// What a parked order wants when it works.
fn terms_of(order: &Order) -> Terms<'static> {
    Terms {
        side: order.side,
        order_type: working_type(order.order_type),
        time_in_force: order.time_in_force(),
        stp: order.stp,
        price: order.price,
        quantity: order.remaining,
        budget: 0,
        client_id: &[],
    }
}
