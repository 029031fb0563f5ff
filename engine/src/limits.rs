//! What a market limits beyond its filters (rules version 2), and the reference price that some of it is measured by.

use std::collections::{BTreeSet, VecDeque};

use crate::book::Order;
use crate::command::{Header, Wanted};
use crate::engine::Engine;
use crate::special::{is_stop, Special};
use crate::stops::{direction_of, RISING};
use crate::wire::*;

/// Bytes of a limits block.
pub const LIMITS: usize = 96;
/// A multiplier of 1.
const MULTIPLIER_ONE: u128 = 10_000;
const AVERAGE_MINUTES_MAX: u32 = 60;
const PAUSE_SECONDS_MAX: u32 = 365 * 86_400;
pub const SECOND_NS: i64 = 1_000_000_000;

/// Multipliers of the reference price, in parts of 10,000, that bound a price; 0 bounds nothing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    pub up: u32,
    pub down: u32,
}

/// Lowest and highest price, both allowed.
pub type Bounds = (Ticks, Ticks);
pub const UNBOUNDED: Bounds = (0, Ticks::MAX);

impl Range {
    fn is_sound(&self) -> bool {
        self.up == 0 || self.down <= self.up
    }

    fn is_set(&self) -> bool {
        self.up != 0 || self.down != 0
    }

    /// What is left of a price's range around `reference`, which is 0 if there is none.
    fn bounds(&self, reference: Ticks) -> Bounds {
        if reference == 0 {
            return UNBOUNDED;
        }
        let times = |multiplier: u32| reference as u128 * multiplier as u128;
        let highest = (times(self.up) / MULTIPLIER_ONE).min(Ticks::MAX as u128) as Ticks;
        let lowest = times(self.down).div_ceil(MULTIPLIER_ONE).min(Ticks::MAX as u128) as Ticks;
        (lowest, if self.up == 0 { Ticks::MAX } else { highest })
    }
}

/// Each 0 limits nothing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Prices at which buys and sells may be placed.
    pub price: [Range; 2],
    /// Prices at which buyers and sellers may take.
    pub execution: [Range; 2],
    /// What the reference price is an average over; 0: it is the last price.
    pub average_minutes: u32,
    /// How long the market pauses when somebody would take outside his range; 0: not at all.
    pub pause_seconds: u32,
    pub max_algo_orders: u32,
    pub max_iceberg_orders: u32,
    pub iceberg_parts: u32,
    pub max_order_lists: u32,
    pub max_amends: u32,
    /// Trailing deltas in parts of 10,000, lowest and highest, of stops that trail from above and from below.
    pub trailing_above: [u32; 2],
    pub trailing_below: [u32; 2],
    /// Base atoms that an account may have or be about to buy.
    pub max_position: Atoms,
}

impl Limits {
    /// Checks the shape alone.
    pub fn read(block: &[u8]) -> Result<Limits, Status> {
        let word = |at: usize| u32_at(block, at * 4);
        let range = |at: usize| Range { up: word(at), down: word(at + 1) };
        if word(19) != 0 {
            return Err(status::MALFORMED);
        }
        Ok(Limits {
            price: [range(0), range(2)],
            execution: [range(4), range(6)],
            average_minutes: word(8),
            pause_seconds: word(9),
            max_algo_orders: word(10),
            max_iceberg_orders: word(11),
            iceberg_parts: word(12),
            max_order_lists: word(13),
            max_amends: word(14),
            trailing_above: [word(15), word(16)],
            trailing_below: [word(17), word(18)],
            max_position: u128_at(block, 80).min(AMOUNT_LIMIT as u128) as Atoms,
        })
    }

    pub fn write(&self) -> [u8; LIMITS] {
        let ranges = [self.price[0], self.price[1], self.execution[0], self.execution[1]];
        let numbers = [
            self.average_minutes,
            self.pause_seconds,
            self.max_algo_orders,
            self.max_iceberg_orders,
            self.iceberg_parts,
            self.max_order_lists,
            self.max_amends,
        ];
        let words = ranges.iter().flat_map(|range| [range.up, range.down]).chain(numbers);
        let words = words.chain(self.trailing_above).chain(self.trailing_below);
        let mut block = [0; LIMITS];
        for (place, word) in block.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        block[80..].copy_from_slice(&self.max_position.to_le_bytes());
        block
    }

    pub fn are_sound(&self) -> bool {
        self.price.iter().chain(&self.execution).all(Range::is_sound)
            && self.average_minutes <= AVERAGE_MINUTES_MAX
            && self.pause_seconds <= PAUSE_SECONDS_MAX
            && self.trailing_above[0] <= self.trailing_above[1]
            && self.trailing_below[0] <= self.trailing_below[1]
    }

    fn need_an_average(&self) -> bool {
        self.average_minutes > 0 && self.price.iter().chain(&self.execution).any(Range::is_set)
    }
}

/// The trades of one second.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Second {
    /// Since 1970.
    pub at: i64,
    pub lots: u128,
    /// Sum of price in ticks times lots.
    pub value: u128,
}

/// The trades of the last minutes, by whole seconds.
///
/// The sums stay exact as long as no window sees 2^28 trades of the largest value that filters allow.
#[derive(Default)]
pub struct Window {
    pub seconds: VecDeque<Second>,
    lots: u128,
    value: u128,
    /// The average in the second in which it was last asked for. Not part of the state.
    known: Option<(i64, Ticks)>,
}

impl Window {
    pub fn resume(seconds: VecDeque<Second>) -> Self {
        let lots = seconds.iter().fold(0u128, |sum, second| sum.wrapping_add(second.lots));
        let value = seconds.iter().fold(0u128, |sum, second| sum.wrapping_add(second.value));
        Window { seconds, lots, value, known: None }
    }

    fn add(&mut self, time_ns: i64, minutes: u32, price: Ticks, lots: Lots) {
        let now = time_ns.div_euclid(SECOND_NS);
        let value = price as u128 * lots as u128;
        match self.seconds.back_mut() {
            Some(last) if last.at == now => {
                last.lots = last.lots.wrapping_add(lots as u128);
                last.value = last.value.wrapping_add(value);
            }
            _ => self.seconds.push_back(Second { at: now, lots: lots as u128, value }),
        }
        self.lots = self.lots.wrapping_add(lots as u128);
        self.value = self.value.wrapping_add(value);
        while self.seconds.front().is_some_and(|first| is_past(first, now, minutes)) {
            let first = self.seconds.pop_front().expect("there is one");
            self.lots = self.lots.wrapping_sub(first.lots);
            self.value = self.value.wrapping_sub(first.value);
        }
        self.known = None;
    }

    /// Volume-weighted, rounded down to a tick; `last_price` if nothing was traded. Changes nothing that is state,
    /// because orders that are refused ask as well.
    fn average(&mut self, time_ns: i64, minutes: u32, last_price: Ticks) -> Ticks {
        let now = time_ns.div_euclid(SECOND_NS);
        if let Some((second, average)) = self.known {
            if second == now {
                return average;
            }
        }
        let (mut lots, mut value) = (self.lots, self.value);
        for past in self.seconds.iter().take_while(|second| is_past(second, now, minutes)) {
            lots = lots.wrapping_sub(past.lots);
            value = value.wrapping_sub(past.value);
        }
        let average = value.checked_div(lots).map_or(last_price, |average| average as Ticks);
        self.known = Some((now, average));
        average
    }
}

fn is_past(second: &Second, now: i64, minutes: u32) -> bool {
    second.at <= now - 60 * minutes as i64
}

/// The limits of a market that has any, with its reference price.
pub struct Limited {
    pub limits: Limits,
    pub window: Window,
}

impl Limited {
    /// With a window that begins now; `None` if nothing is limited.
    pub fn new(limits: Limits) -> Option<Box<Limited>> {
        (limits != Limits::default()).then(|| Box::new(Limited { limits, window: Window::default() }))
    }

    #[inline(never)]
    pub fn traded(&mut self, time_ns: i64, price: Ticks, lots: Lots) {
        if self.limits.need_an_average() {
            self.window.add(time_ns, self.limits.average_minutes, price, lots);
        }
    }

    /// The price that others are measured by; 0 before the first trade.
    pub fn reference(&mut self, time_ns: i64, last_price: Ticks) -> Ticks {
        if self.limits.need_an_average() {
            self.window.average(time_ns, self.limits.average_minutes, last_price)
        } else {
            last_price
        }
    }

    /// Prices at which an order on `side` may be placed.
    pub fn price_bounds(&mut self, side: u8, time_ns: i64, last_price: Ticks) -> Bounds {
        match self.limits.price[side as usize] {
            range if range.is_set() => range.bounds(self.reference(time_ns, last_price)),
            _ => UNBOUNDED,
        }
    }

    /// Prices at which a taker on `side` may trade.
    pub fn execution_bounds(&mut self, side: u8, time_ns: i64, last_price: Ticks) -> Bounds {
        match self.limits.execution[side as usize] {
            range if range.is_set() => range.bounds(self.reference(time_ns, last_price)),
            _ => UNBOUNDED,
        }
    }
}

impl Engine {
    /// The limits of stops and icebergs that look at nothing but these orders and the account's open ones.
    pub(crate) fn check_special_limits(&self, header: &Header, wanted: &[Wanted]) -> Result<(), Status> {
        let Some(limited) = &self.markets[place_of(header.market)].limited else { return Ok(()) };
        let limits = &limited.limits;
        for order in wanted {
            limits.check_parts(order)?;
            limits.check_delta(order)?;
        }
        let more = |most: u32, is_wanted: fn(&Wanted) -> bool, is_such: fn(&Order, &Special) -> bool| {
            let added = wanted.iter().filter(|order| is_wanted(order)).count();
            let open = || self.specials_of(header).filter(|(order, special)| is_such(order, special)).count();
            most > 0 && added > 0 && added + open() > most as usize
        };
        let waits =
            |order: &Order, special: &Special| is_stop(order.order_type) && special.state != order_state::RESTING;
        if more(limits.max_algo_orders, |order| is_stop(order.terms.order_type), waits) {
            return Err(status::MAX_NUM_ALGO_ORDERS);
        }
        if more(limits.max_iceberg_orders, |order| order.iceberg > 0, |_, special| special.iceberg > 0) {
            return Err(status::MAX_NUM_ICEBERG_ORDERS);
        }
        Ok(())
    }

    /// An account has few open orders in a market, so its lists are counted by them.
    pub(crate) fn check_number_of_lists(&self, header: &Header) -> Result<(), Status> {
        let Some(limited) = &self.markets[place_of(header.market)].limited else { return Ok(()) };
        let most = limited.limits.max_order_lists as usize;
        let lists = || self.specials_of(header).map(|(_, special)| special.list).filter(|&list| list > 0);
        if most > 0 && lists().collect::<BTreeSet<u64>>().len() >= most {
            return Err(status::MAX_NUM_ORDER_LISTS);
        }
        Ok(())
    }

    /// An account's open orders in a market that are more than plain.
    fn specials_of(&self, header: &Header) -> impl Iterator<Item = (&Order, &Special)> {
        let orders = self.book.orders_of(header.account, header.market).filter(|order| order.is_special());
        orders.map(|order| (order, &self.book.specials[&order.id]))
    }
}

impl Limits {
    fn check_parts(&self, order: &Wanted) -> Result<(), Status> {
        let is_bounded = order.iceberg > 0 && self.iceberg_parts > 0;
        if is_bounded && order.terms.quantity.div_ceil(order.iceberg) > self.iceberg_parts as u64 {
            return Err(status::ICEBERG_PARTS);
        }
        Ok(())
    }

    fn check_delta(&self, order: &Wanted) -> Result<(), Status> {
        let waits_for_rise = direction_of(order.terms.order_type, order.terms.side) == RISING;
        let [least, most] = if waits_for_rise { self.trailing_above } else { self.trailing_below };
        if order.delta > 0 && most > 0 && !(least..=most).contains(&order.delta) {
            return Err(status::TRAILING_DELTA);
        }
        Ok(())
    }
}
