//! Order lists: one cancels the other, one triggers the other, one triggers a pair.
//!
//! Orders of a list have consecutive ids. Only one of a pair can be executed, so what they hold is the larger need of
//! the two. Pending orders hold nothing before the working order is filled.

use std::collections::BTreeMap;

use crate::command::{self, Header, ListCancel, Wanted};
use crate::engine::Engine;
use crate::event::Outcome;
use crate::special::{has_limit, is_stop};
use crate::wire::*;

/// What the orders of a list still mean to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The first works, the others are pending.
    Working = 0,
    /// The last two are a pair.
    Pair = 1,
    /// At most one is left.
    Single = 2,
}

pub struct List {
    pub account: u32,
    pub market: u32,
    pub contingency: u8,
    pub phase: Phase,
    pub orders: Vec<u64>,
    pub client_id: Vec<u8>,
}

impl List {
    fn pair(&self) -> &[u64] {
        &self.orders[self.orders.len() - 2..]
    }

    fn pending(&self) -> &[u64] {
        &self.orders[1..]
    }
}

#[derive(Default)]
pub struct Lists {
    pub open: BTreeMap<u64, List>,
    pub last_id: u64,
    /// Of the open lists that have a client id.
    names: BTreeMap<(u32, Vec<u8>), u64>,
}

impl Lists {
    pub fn add(&mut self, id: u64, list: List) {
        if !list.client_id.is_empty() {
            self.names.insert((list.account, list.client_id.clone()), id);
        }
        self.open.insert(id, list);
    }

    fn remove(&mut self, id: u64) -> List {
        let list = self.open.remove(&id).expect("an order's list is open");
        self.names.remove(&(list.account, list.client_id.clone()));
        list
    }

    pub fn find_client_id(&self, account: u32, client_id: &[u8]) -> Option<u64> {
        self.names.get(&(account, client_id.to_vec())).copied()
    }
}

impl Engine {
    pub(crate) fn list_place(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let wanted = command::list_place(bytes, header.flags)?;
        let is_pair = wanted.contingency == contingency::OCO;
        let mut seat = None;
        for (nth, leg) in wanted.legs.iter().enumerate() {
            seat = self.admit_special(header, leg, !is_pair && nth > 0, nth as u32)?;
        }
        self.check_special_limits(header, &wanted.legs)?;
        self.check_number_of_lists(header)?;
        self.check_list_names(header, &wanted)?;
        if is_pair {
            self.check_pair_prices(header.market, &wanted.legs[1])?;
        }
        let working = if is_pair { &wanted.legs[..] } else { &wanted.legs[..1] };
        let need = working.iter().map(|leg| self.need_of_wanted(header.market, leg)).max().unwrap_or(0);
        let side = wanted.legs[0].terms.side;
        self.require_available(header, side, need)?;

        let seat = self.sit(header, seat);
        self.lists.last_id += 1;
        let id = self.lists.last_id;
        let slots: Vec<u32> = (wanted.legs.iter().enumerate())
            .map(|(nth, leg)| {
                let state = match is_stop(leg.terms.order_type) {
                    _ if !is_pair && nth > 0 => order_state::PENDING,
                    true => order_state::WAITING,
                    false => order_state::RESTING,
                };
                self.accept_special(header, seat, leg, id, state)
            })
            .collect();
        let list = List {
            account: header.account,
            market: header.market,
            contingency: wanted.contingency,
            phase: if is_pair { Phase::Pair } else { Phase::Working },
            orders: slots.iter().map(|&slot| self.book.order(slot).id).collect(),
            client_id: wanted.client_id.to_vec(),
        };
        self.events.list(id, &list, list_status::EXEC_STARTED);
        self.lists.add(id, list);
        self.ledger.hold(self.book.seats[seat as usize].paid_row(side), need);
        for &slot in &slots[..working.len()] {
            self.start(slot);
        }
        self.run_triggered();
        Ok(Outcome::ok(id))
    }

    fn check_list_names(&self, header: &Header, wanted: &command::ListPlace) -> Result<(), Status> {
        let names: Vec<&[u8]> = wanted.legs.iter().map(|leg| leg.terms.client_id).filter(|id| !id.is_empty()).collect();
        let twice = (1..names.len()).any(|nth| names[..nth].contains(&names[nth]));
        let is_taken = self.lists.find_client_id(header.account, wanted.client_id).is_some();
        if twice || is_taken {
            return Err(status::DUPLICATE_CLIENT_ID);
        }
        Ok(())
    }

    /// The order that gains must be on the far side of the last price; the stop's own guard has looked at the other.
    fn check_pair_prices(&self, market: u32, gains: &Wanted) -> Result<(), Status> {
        let (last, terms) = (self.markets[place_of(market)].last_price, &gains.terms);
        let price = if has_limit(terms.order_type) { terms.price } else { gains.stop_price };
        let is_beyond = if terms.side == side::BUY { price < last } else { price > last };
        // A trailing order without stop price may be anywhere.
        if is_beyond || price == 0 {
            Ok(())
        } else {
            Err(status::BAD_LIST_PRICES)
        }
    }

    pub(crate) fn list_cancel(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let cancel = command::list_cancel(bytes, header.flags)?;
        self.ledger.account(header.account).ok_or(status::UNKNOWN_ACCOUNT)?;
        let id = self.find_list(header, &cancel).ok_or(status::UNKNOWN_LIST)?;
        let orders = &self.lists.open[&id].orders;
        let slot = orders.iter().find_map(|&order| self.book.find(order)).expect("an open list has an open order");
        self.close_special(slot, close_reason::CANCELLED, cancel.request_id);
        Ok(Outcome::ok(id))
    }

    fn find_list(&self, header: &Header, cancel: &ListCancel) -> Option<u64> {
        let id = match cancel.list_id {
            0 => self.lists.find_client_id(header.account, cancel.client_id)?,
            id => id,
        };
        let list = self.lists.open.get(&id)?;
        let is_named = cancel.client_id.is_empty() || cancel.client_id == list.client_id;
        (is_named && (list.account, list.market) == (header.account, header.market)).then_some(id)
    }

    /// The other of a pair, of which this order is one.
    pub(crate) fn other_of_pair(&self, slot: u32) -> Option<u32> {
        if !self.book.order(slot).is_special() {
            return None;
        }
        let list = self.lists.open.get(&self.special(slot).list).filter(|list| list.phase == Phase::Pair)?;
        let own = self.book.order(slot).id;
        let other = list.pair().iter().find(|&&id| id != own)?;
        self.book.find(*other)
    }

    /// One of a pair is executed or triggered: the other ends.
    pub(crate) fn part_with_other(&mut self, slot: u32) {
        if let Some(other) = self.other_of_pair(slot) {
            let list = self.close_alone(other, close_reason::LIST, &[]);
            self.list_mut(list).phase = Phase::Single;
        }
    }

    fn list_mut(&mut self, id: u64) -> &mut List {
        self.lists.open.get_mut(&id).expect("an order's list is open")
    }

    /// An order has ended. If it is the working order and was filled, the turn of the pending ones comes; otherwise the
    /// others of its list end with it. Returns how many did.
    pub(crate) fn leave_list(&mut self, id: u64, reason: u8, request_id: &[u8]) -> u64 {
        if id == 0 {
            return 0;
        }
        let list = self.list_mut(id);
        if reason == close_reason::FILLED && list.phase == Phase::Working {
            let first = list.pending()[0];
            self.triggers.push_one(first);
            return 0;
        }
        list.phase = Phase::Single;
        let by_client = reason == close_reason::CANCELLED || reason == close_reason::REPLACED;
        let reason = if by_client { close_reason::CANCELLED } else { close_reason::LIST };
        let mut closed = 0;
        for order in list.orders.clone() {
            if let Some(slot) = self.book.find(order) {
                self.close_alone(slot, reason, request_id);
                closed += 1;
            }
        }
        let list = self.lists.remove(id);
        self.events.list(id, &list, list_status::ALL_DONE);
        closed
    }

    /// The working order is filled: the pending orders hold their funds and begin, or end for want of them.
    pub(crate) fn start_pending(&mut self, id: u64) {
        let list = self.list_mut(id);
        list.phase = if list.contingency == contingency::OTOCO { Phase::Pair } else { Phase::Single };
        let orders = list.pending().to_vec();
        let slots: Vec<u32> = orders.iter().filter_map(|&order| self.book.find(order)).collect();
        for &slot in &slots {
            self.await_start(slot);
        }
        let (need, row) = (self.held_for(slots[0]), self.payer_of(slots[0]));
        if self.ledger.rows[row as usize].available < need {
            self.close_pending(&slots, close_reason::UNFUNDED);
            return;
        }
        let market = self.lists.open[&id].market;
        if slots.iter().any(|&slot| self.special(slot).delta > 0) && !self.has_room_to_trail(market) {
            self.close_pending(&slots, close_reason::EXPIRED);
            return;
        }
        self.ledger.hold(row, need);
        for &slot in &slots {
            let order_type = self.book.order(slot).order_type;
            let state = if is_stop(order_type) { order_state::WAITING } else { order_state::RESTING };
            self.tell_start(slot, order_type, state, true);
        }
        self.events.list(id, &self.lists.open[&id], list_status::EXEC_STARTED);
        for &order in &orders {
            if let Some(slot) = self.book.find(order) {
                self.start(slot);
            }
        }
    }

    fn close_pending(&mut self, slots: &[u32], reason: u8) {
        for &slot in slots {
            self.special_mut(slot).state = order_state::PENDING;
        }
        self.close_special(slots[0], reason, &[]);
    }

    fn payer_of(&self, slot: u32) -> u32 {
        let order = self.book.order(slot);
        self.book.seats[order.seat as usize].paid_row(order.side)
    }
}
