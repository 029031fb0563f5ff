//! Stop orders of one market that wait for a price, and which of them a price triggers.
//!
//! A price is seen through a *key* that grows in the direction in which the price must move: the price itself for what
//! waits for a rise, its complement for what waits for a fall. All bounds are whole ticks, so nothing is rounded here.

use std::collections::BTreeSet;

use crate::book::Order;
use crate::special::{trailing_trigger, Special};
use crate::wire::*;

type Key = u64;
/// Order ids by the key that triggers them: the order in which a moving price meets them, then their age.
pub type Crossed = BTreeSet<(Key, u64)>;

pub const RISING: usize = 0;
pub const FALLING: usize = 1;
/// Orders of one market that may follow its price, so that no price moves more than that.
pub const TRAILING_MAX: usize = 10_000;

/// The key of a price; the same again turns it back.
fn key(direction: usize, price: Ticks) -> Key {
    if direction == RISING {
        price
    } else {
        u64::MAX - price
    }
}

/// Which way the price must move to reach a stop price.
pub fn direction_of(order_type: u8, side: u8) -> usize {
    let takes_profit = matches!(order_type, order_type::TAKE_PROFIT | order_type::TAKE_PROFIT_LIMIT);
    (side as usize & 1) ^ takes_profit as usize
}

/// Whether `last` is at or beyond the stop price.
pub fn is_reached(direction: usize, stop_price: Ticks, last: Ticks) -> bool {
    key(direction, stop_price) <= key(direction, last)
}

#[derive(Default)]
pub struct StopBook {
    waiting: [Crossed; 2],
    /// Trailing orders before their stop price is reached.
    starting: [Crossed; 2],
    /// Trailing orders that follow the price: buys wait for a rise from the lowest, sells for a fall from the highest.
    trails: [Trails; 2],
    trailing: usize,
}

impl StopBook {
    pub fn is_empty(&self) -> bool {
        self.trailing == 0 && self.waiting.iter().all(|set| set.is_empty())
    }

    pub fn has_room_to_trail(&self) -> bool {
        self.trailing < TRAILING_MAX
    }

    pub fn wait(&mut self, direction: usize, stop_price: Ticks, id: u64) {
        self.waiting[direction].insert((key(direction, stop_price), id));
    }

    /// Follows the price once it has reached the stop price.
    pub fn start_at(&mut self, direction: usize, stop_price: Ticks, id: u64) {
        self.starting[direction].insert((key(direction, stop_price), id));
        self.trailing += 1;
    }

    /// Follows the price from `last` on. `activation` is above that of all that follow it already.
    pub fn follow(&mut self, side: u8, delta: u32, id: u64, last: Ticks, activation: u64) {
        self.trailing += 1;
        self.trails[side as usize].join(side, key(side as usize, last), activation, (delta, id));
    }

    /// The best price since an order began to follow it; None if it does not, or no more.
    pub fn best_for(&self, side: u8, delta: u32, id: u64, activation: u64) -> Option<Ticks> {
        let group = self.trails[side as usize].group_of(activation)?;
        let group = &self.trails[side as usize].groups[group];
        group.members.contains(&(delta, id)).then(|| key(side as usize, group.best))
    }

    /// Forgets an order that waits for its stop price. It may have been crossed already.
    pub fn stop_waiting(&mut self, direction: usize, stop_price: Ticks, id: u64) {
        let place = (key(direction, stop_price), id);
        if !self.waiting[direction].remove(&place) && self.starting[direction].remove(&place) {
            self.trailing -= 1;
        }
    }

    /// Forgets an order that follows the price. It may have been crossed already.
    pub fn stop_following(&mut self, side: u8, delta: u32, id: u64, activation: u64) {
        if self.trails[side as usize].remove(side, activation, (delta, id)) {
            self.trailing -= 1;
        }
    }

    /// Whether an order waits here for its stop price, or follows the price.
    pub fn knows(&self, order: &Order, special: &Special) -> bool {
        let direction = direction_of(order.order_type, order.side);
        let place = (key(direction, special.stop_price), order.id);
        match (special.delta, special.activation) {
            (0, _) => self.waiting[direction].contains(&place),
            (_, 0) => self.starting[direction].contains(&place),
            (delta, activation) => self.best_for(order.side, delta, order.id, activation).is_some(),
        }
    }

    /// The price is `last` now. What that triggers, upwards and downwards, is no longer here.
    pub fn cross(&mut self, last: Ticks) -> [Crossed; 2] {
        [side::BUY, side::SELL].map(|side| {
            let direction = side as usize;
            let key = key(direction, last);
            let mut crossed = split(&mut self.waiting[direction], key);
            let before = crossed.len();
            self.trails[direction].take_triggered(side, key, &mut crossed);
            self.trailing -= crossed.len() - before;
            self.trails[direction].follow(side, key);
            crossed
        })
    }

    /// The next trailing order whose stop price `last` has reached; it no longer waits for that.
    pub fn start_next(&mut self, last: Ticks) -> Option<u64> {
        for direction in [RISING, FALLING] {
            let first = self.starting[direction].first().filter(|first| first.0 <= key(direction, last));
            if first.is_some() {
                self.trailing -= 1;
                return self.starting[direction].pop_first().map(|(_, id)| id);
            }
        }
        None
    }
}

/// Takes everything up to `key` out of a set.
fn split(set: &mut Crossed, upto: Key) -> Crossed {
    if set.first().is_none_or(|first| first.0 > upto) {
        return Crossed::new();
    }
    let rest = set.split_off(&(upto + 1, 0));
    std::mem::replace(set, rest)
}

/// Trailing orders with the same best price since they began.
struct Group {
    best: Key,
    /// The lowest number that the group began with; younger groups have larger ones.
    first: u64,
    /// By delta: the smallest triggers first.
    members: BTreeSet<(u32, u64)>,
}

/// Orders that follow the price on one side.
///
/// The best price since a younger order began is never better than the best since an older one did. So groups of equal
/// best prices lie in a stack, oldest and best at the bottom, and a new best price melts those at the top into one.
#[derive(Default)]
struct Trails {
    groups: Vec<Group>,
    /// For each group, the key that triggers its first member, and `first`.
    alarms: BTreeSet<(Key, u64)>,
}

fn trigger_key(side: u8, best: Key, delta: u32) -> Key {
    let direction = side as usize;
    key(direction, trailing_trigger(side, key(direction, best), delta))
}

impl Trails {
    fn alarm(side: u8, group: &Group) -> Option<(Key, u64)> {
        group.members.first().map(|&(delta, _)| (trigger_key(side, group.best, delta), group.first))
    }

    /// Sets the alarm of a group whose members have changed; without members it goes.
    fn reset(&mut self, side: u8, at: usize, old: Option<(Key, u64)>) {
        if let Some(old) = old {
            self.alarms.remove(&old);
        }
        match Self::alarm(side, &self.groups[at]) {
            Some(alarm) => {
                self.alarms.insert(alarm);
            }
            None => {
                self.groups.remove(at);
            }
        }
    }

    fn follow(&mut self, side: u8, best: Key) {
        if self.groups.last().is_none_or(|top| top.best <= best) {
            return;
        }
        let mut melted = Group { best, first: 0, members: BTreeSet::new() };
        while self.groups.last().is_some_and(|top| top.best >= best) {
            let Some(top) = self.groups.pop() else { break };
            if let Some(alarm) = Self::alarm(side, &top) {
                self.alarms.remove(&alarm);
            }
            melted.first = top.first;
            let (mut large, mut small) = (top.members, std::mem::take(&mut melted.members));
            if large.len() < small.len() {
                std::mem::swap(&mut large, &mut small);
            }
            large.extend(small);
            melted.members = large;
        }
        self.groups.push(melted);
        self.reset(side, self.groups.len() - 1, None);
    }

    fn join(&mut self, side: u8, best: Key, activation: u64, member: (u32, u64)) {
        self.follow(side, best);
        if self.groups.last().is_none_or(|top| top.best != best) {
            self.groups.push(Group { best, first: activation, members: BTreeSet::new() });
        }
        let at = self.groups.len() - 1;
        let old = Self::alarm(side, &self.groups[at]);
        self.groups[at].members.insert(member);
        self.reset(side, at, old);
    }

    /// Where the group is that holds an order of this number, if any does.
    fn group_of(&self, activation: u64) -> Option<usize> {
        self.groups.partition_point(|group| group.first <= activation).checked_sub(1)
    }

    fn remove(&mut self, side: u8, activation: u64, member: (u32, u64)) -> bool {
        let Some(at) = self.group_of(activation) else { return false };
        let old = Self::alarm(side, &self.groups[at]);
        let was_there = self.groups[at].members.remove(&member);
        if was_there {
            self.reset(side, at, old);
        }
        was_there
    }

    fn take_triggered(&mut self, side: u8, key: Key, crossed: &mut Crossed) {
        while let Some(&(alarm, first)) = self.alarms.first() {
            if alarm > key {
                return;
            }
            let at = self.groups.binary_search_by_key(&first, |group| group.first).expect("an alarm has its group");
            let group = &mut self.groups[at];
            while let Some(&(delta, id)) = group.members.first() {
                let trigger = trigger_key(side, group.best, delta);
                if trigger > key {
                    break;
                }
                group.members.pop_first();
                crossed.insert((trigger, id));
            }
            self.reset(side, at, Some((alarm, first)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trailing order, as plainly as it can be kept.
    struct Plain {
        side: u8,
        delta: u32,
        best: Ticks,
    }

    impl Plain {
        fn trigger(&self) -> Ticks {
            trailing_trigger(self.side, self.best, self.delta)
        }

        fn is_triggered(&self, last: Ticks) -> bool {
            is_reached(self.side as usize, self.trigger(), last)
        }
    }

    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % limit
        }
    }

    /// 4,000 prices that wander, orders that come and go: what the groups trigger is what each order by itself would.
    #[test]
    fn groups_of_trailing_orders_are_the_orders_themselves() {
        let (mut book, mut plain) = (StopBook::default(), std::collections::BTreeMap::<u64, Plain>::new());
        let (mut random, mut last, mut triggered) = (Random(1), 10_000, 0);
        for id in 1..=4_000u64 {
            last = (last + random.below(41)).saturating_sub(20).max(100);
            let crossed = book.cross(last);
            for side in [side::BUY, side::SELL] {
                let mut expected: Vec<(Key, u64)> = plain
                    .iter()
                    .filter(|(_, order)| order.side == side && order.is_triggered(last))
                    .map(|(&id, order)| (key(side as usize, order.trigger()), id))
                    .collect();
                expected.sort_unstable();
                assert_eq!(
                    crossed[side as usize].iter().copied().collect::<Vec<_>>(),
                    expected,
                    "at {last}, order {id}"
                );
                triggered += expected.len();
                for (_, id) in &expected {
                    plain.remove(id);
                }
            }
            for order in plain.values_mut() {
                order.best = if order.side == side::BUY { order.best.min(last) } else { order.best.max(last) };
            }
            let (side, delta) = (random.below(2) as u8, 1 + random.below(400) as u32);
            book.follow(side, delta, id, last, id);
            plain.insert(id, Plain { side, delta, best: last });
            let gone = random.below(id) + 1;
            if let Some(order) = plain.remove(&gone) {
                assert_eq!(book.best_for(order.side, order.delta, gone, gone), Some(order.best));
                book.stop_following(order.side, order.delta, gone, gone);
            }
            assert_eq!(book.trailing, plain.len());
        }
        assert!(triggered > 100 && plain.len() > 10);
    }
}
