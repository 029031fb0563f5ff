//! When stop orders begin to work: prices trigger them, a queue bounds how many do in one command.
//!
//! What a trade triggers enters the queue: first what the price met first, then what is older. Commands that place
//! orders run the queue at their end, up to a bound; CONTINUE runs the rest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::engine::Engine;
use crate::event::Start;
use crate::special::{is_stop, working_type};
use crate::stops::{direction_of, is_reached, Crossed, StopBook};
use crate::wire::*;

/// Orders of the queue that one command runs, and makers touched after which it runs no more. A single order may touch
/// 20,000.
const RUN_MAX: u32 = 64;
const TOUCHED_ENOUGH: u32 = 1_000;

#[derive(Default)]
pub struct Triggers {
    /// By market; what waits for a price.
    pub stops: BTreeMap<u32, StopBook>,
    /// Orders whose turn has come, in groups that were crossed together. Some may have ended since.
    pub queue: VecDeque<Crossed>,
    /// Orders whose turn came while their market, which stands first, did not trade; the oldest turn first.
    pub deferred: Vec<(u32, u64)>,
    /// Orders that have begun to follow a price so far.
    pub activations: u64,
    /// Makers touched by the running command.
    pub touched: u32,
}

impl Triggers {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub fn push(&mut self, crossed: Crossed) {
        if !crossed.is_empty() {
            self.queue.push_back(crossed);
        }
    }

    pub fn push_one(&mut self, id: u64) {
        self.queue.push_back(Crossed::from([(0, id)]));
    }

    fn next(&mut self) -> Option<u64> {
        let group = self.queue.front_mut()?;
        let first = group.pop_first().map(|(_, id)| id);
        if group.is_empty() {
            self.queue.pop_front();
        }
        first
    }
}

impl Engine {
    pub(crate) fn has_room_to_trail(&self, market: u32) -> bool {
        self.triggers.stops.get(&market).is_none_or(|stops| stops.has_room_to_trail())
    }

    /// A parked stop order waits for its price from now on. If that has been reached already, its turn has come.
    pub(crate) fn await_trigger(&mut self, slot: u32) {
        let (order, special) = (*self.book.order(slot), *self.special(slot));
        let market_id = self.book.seats[order.seat as usize].market;
        let market = &mut self.markets[place_of(market_id)];
        let direction = direction_of(order.order_type, order.side);
        let has_stop = special.stop_price > 0;
        let is_reached = has_stop && is_reached(direction, special.stop_price, market.last_price);
        if special.delta == 0 && is_reached {
            return self.triggers.push_one(order.id);
        }
        market.is_watched = true;
        let stops = self.triggers.stops.entry(market_id).or_default();
        if special.delta == 0 {
            stops.wait(direction, special.stop_price, order.id);
        } else if has_stop && !is_reached {
            stops.start_at(direction, special.stop_price, order.id);
        } else {
            self.follow(market_id, order.id);
        }
    }

    /// An order follows the last price from now on.
    fn follow(&mut self, market: u32, id: u64) {
        let slot = self.book.find(id).expect("an order that waits is open");
        let side = self.book.order(slot).side;
        let last = self.markets[place_of(market)].last_price;
        self.triggers.activations += 1;
        let (activation, now) = (self.triggers.activations, self.time_ns);
        let special = self.special_mut(slot);
        (special.activation, special.trailing_ns) = (activation, now);
        let delta = special.delta;
        self.triggers.stops.entry(market).or_default().follow(side, delta, id, last, activation);
    }

    /// An order no longer waits for a price.
    pub(crate) fn forget_trigger(&mut self, slot: u32) {
        let (order, special) = (*self.book.order(slot), *self.special(slot));
        if special.state != order_state::WAITING || !is_stop(order.order_type) {
            return;
        }
        let market = self.book.seats[order.seat as usize].market;
        let Some(stops) = self.triggers.stops.get_mut(&market) else { return };
        if special.activation > 0 {
            stops.stop_following(order.side, special.delta, order.id, special.activation);
        } else {
            stops.stop_waiting(direction_of(order.order_type, order.side), special.stop_price, order.id);
        }
        self.markets[place_of(market)].is_watched = !stops.is_empty();
    }

    /// A market that stops wait in may have traded: their turn has come, or they begin to follow the price.
    #[inline(never)]
    pub(crate) fn watch(&mut self, market_id: u32) {
        let market = &mut self.markets[place_of(market_id)];
        let last = market.last_price;
        let stops = self.triggers.stops.entry(market_id).or_default();
        let [rising, falling] = stops.cross(last);
        market.is_watched = !stops.is_empty();
        self.triggers.push(rising);
        self.triggers.push(falling);
        while let Some(id) = self.triggers.stops.get_mut(&market_id).and_then(|stops| stops.start_next(last)) {
            self.follow(market_id, id);
        }
    }

    /// Runs the queue, as far as one command may.
    #[inline(never)]
    pub(crate) fn run_triggered(&mut self) {
        for _ in 0..RUN_MAX {
            if self.triggers.touched >= TOUCHED_ENOUGH {
                return;
            }
            let Some(id) = self.triggers.next() else { return };
            if let Some(slot) = self.book.find(id) {
                self.run_one(slot);
            }
        }
    }

    fn run_one(&mut self, slot: u32) {
        let order = *self.book.order(slot);
        let market = self.book.seats[order.seat as usize].market;
        if self.markets[place_of(market)].state != market_state::TRADING {
            self.triggers.deferred.push((market, order.id));
        } else if self.special(slot).state == order_state::PENDING {
            self.start_pending(self.special(slot).list);
        } else {
            self.tell_start(slot, working_type(order.order_type), order_state::RESTING, false);
            self.part_with_other(slot);
            self.work(slot);
        }
    }

    pub(crate) fn tell_start(&mut self, slot: u32, becomes: u8, state: u8, is_pending: bool) {
        let (order, hold_price) = (*self.book.order(slot), self.special(slot).hold_price);
        let seat = self.book.seats[order.seat as usize];
        let last_price = self.markets[place_of(seat.market)].last_price;
        let start = Start { becomes, state, is_pending, last_price, hold_price };
        self.events.triggered(&order, seat.market, seat.account, &start);
    }

    /// A market trades again: the orders whose turn came in between are next.
    pub(crate) fn resume_triggers(&mut self, market: u32) {
        let deferred = std::mem::take(&mut self.triggers.deferred);
        let (resumed, others) = deferred.into_iter().partition::<Vec<_>, _>(|&(of_market, _)| of_market == market);
        self.triggers.deferred = others;
        self.triggers.push(resumed.into_iter().enumerate().map(|(nth, (_, id))| (nth as u64, id)).collect());
    }

    /// Checks that every stop order that waits does so for a price, or its turn has come; `Err` says which does not.
    pub(crate) fn check_triggers(&self) -> Result<(), String> {
        let turns = self.triggers.queue.iter().flatten().map(|&(_, id)| id);
        let due: BTreeSet<u64> = turns.chain(self.triggers.deferred.iter().map(|&(_, id)| id)).collect();
        for (&id, special) in &self.book.specials {
            let order = self.book.order(self.book.find(id).ok_or("a special order without its order")?);
            let market = self.book.seats[order.seat as usize].market;
            let waits = self.triggers.stops.get(&market).is_some_and(|stops| stops.knows(order, special));
            let should = special.state == order_state::WAITING && !due.contains(&id);
            let has_alarm = !waits || self.markets[place_of(market)].is_watched;
            if waits != should || !has_alarm {
                return Err(format!("stop order {id} waits for nothing, or twice"));
            }
        }
        Ok(())
    }
}
