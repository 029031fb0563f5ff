//! What rules version 2 adds to a snapshot: special orders, order lists, and whose turn has come.

use std::collections::BTreeSet;

use crate::book::Order;
use crate::command::Terms;
use crate::engine::{Broken, Engine};
use crate::lists::{List, Phase};
use crate::market::ORDER_LIMIT;
use crate::snapshot::{Read, Reader, Writer};
use crate::special::{has_limit, is_stop, Special, BIPS};
use crate::stops::{direction_of, Crossed};
use crate::trading::SIDE_LOTS_MAX;
use crate::wire::*;

/// An order that follows the price: its number, and the best price since it began.
type Follower = (u64, Ticks, u32);

impl Engine {
    pub(crate) fn write_specials(&self, out: &mut Writer) {
        out.u64(self.lists.last_id);
        out.count(self.lists.open.len());
        for (&id, list) in &self.lists.open {
            out.u64(id);
            out.u32(list.account);
            out.u32(list.market);
            out.u8(list.contingency);
            out.u8(list.phase as u8);
            out.count(list.orders.len());
            list.orders.iter().for_each(|&order| out.u64(order));
            out.text(&list.client_id);
        }
        out.u64(self.triggers.activations);
        out.count(self.triggers.queue.len());
        for crossed in &self.triggers.queue {
            out.count(crossed.len());
            for &(key, id) in crossed {
                out.u64(key);
                out.u64(id);
            }
        }
        out.count(self.triggers.deferred.len());
        for &(market, id) in &self.triggers.deferred {
            out.u32(market);
            out.u64(id);
        }
        out.count(self.book.specials.len());
        for (&id, special) in &self.book.specials {
            let order = self.book.order(self.book.find(id).expect("a special order is open"));
            self.write_special(out, order, special);
        }
    }

    fn write_special(&self, out: &mut Writer, order: &Order, special: &Special) {
        out.u64(order.id);
        out.u8(special.state);
        out.u64(special.stop_price);
        out.u32(special.delta);
        out.u64(special.iceberg);
        out.u64(special.hidden);
        out.u64(special.list);
        out.u64(special.hold_price);
        out.i64(special.working_ns);
        out.i64(special.trailing_ns);
        out.u64(special.activation);
        let market = self.book.seats[order.seat as usize].market;
        let stops = self.triggers.stops.get(&market);
        let best = stops.and_then(|stops| stops.best_for(order.side, special.delta, order.id, special.activation));
        out.u64(best.unwrap_or(0));
        if special.state != order_state::RESTING {
            self.write_order(out, order);
        }
    }

    /// Returns ids and slots of the orders that are in no queue.
    pub(crate) fn read_specials(&mut self, input: &mut Reader) -> Read<Vec<(u64, u32)>> {
        self.lists.last_id = input.u64()?;
        for _ in 0..input.count()? {
            self.read_list(input)?;
        }
        self.triggers.activations = input.u64()?;
        let mut crossed = BTreeSet::new();
        for _ in 0..input.count()? {
            let group = (0..input.count()?).map(|_| Ok((input.u64()?, input.u64()?))).collect::<Read<Crossed>>()?;
            crossed.extend(group.iter().map(|&(_, id)| id));
            self.triggers.push(group);
        }
        self.triggers.deferred = (0..input.count()?).map(|_| Ok((input.u32()?, input.u64()?))).collect::<Read<_>>()?;
        crossed.extend(self.triggers.deferred.iter().map(|&(_, id)| id));
        let (mut parked, mut followers) = (Vec::new(), Vec::new());
        for _ in 0..input.count()? {
            self.read_special(input, &crossed, &mut parked, &mut followers)?;
        }
        self.follow_again(followers)?;
        self.check_lists()?;
        for (&market, stops) in &self.triggers.stops {
            self.markets[place_of(market)].is_watched = !stops.is_empty();
        }
        Ok(parked)
    }

    fn read_list(&mut self, input: &mut Reader) -> Read<()> {
        let id = input.u64()?;
        let (account, market, contingency, phase) = (input.u32()?, input.u32()?, input.u8()?, input.u8()?);
        let orders = (0..input.count()?).map(|_| input.u64()).collect::<Read<Vec<_>>>()?;
        let client_id = input.text()?.to_vec();
        let phase = [Phase::Working, Phase::Pair, Phase::Single].get(phase as usize).copied();
        let is_sound = (1..=self.lists.last_id).contains(&id)
            && (contingency::OCO..=contingency::OTOCO).contains(&contingency)
            && (2..=3).contains(&orders.len())
            && client_id.len() <= CLIENT_ID_MAX
            && !self.lists.open.contains_key(&id);
        match phase {
            Some(phase) if is_sound => {
                self.lists.add(id, List { account, market, contingency, phase, orders, client_id });
                Ok(())
            }
            _ => Err(Broken(format!("snapshot holds an impossible order list {id}"))),
        }
    }

    fn read_special(
        &mut self,
        input: &mut Reader,
        crossed: &BTreeSet<u64>,
        parked: &mut Vec<(u64, u32)>,
        followers: &mut Vec<Follower>,
    ) -> Read<()> {
        let (id, state) = (input.u64()?, input.u8()?);
        let special = Special {
            state,
            stop_price: input.u64()?,
            delta: input.u32()?,
            iceberg: input.u64()?,
            hidden: input.u64()?,
            list: input.u64()?,
            hold_price: input.u64()?,
            working_ns: input.i64()?,
            trailing_ns: input.i64()?,
            activation: input.u64()?,
        };
        let best = input.u64()?;
        let impossible = || Broken(format!("snapshot holds an impossible special order {id}"));
        let rests = state == order_state::RESTING;
        let slot = if rests { self.book.find(id) } else { Some(self.read_parked(input, id)?) };
        let slot = slot.filter(|_| !self.book.specials.contains_key(&id)).ok_or_else(impossible)?;
        let order = *self.book.order(slot);
        let seat = self.book.seats[order.seat as usize];
        let is_sound = match state {
            order_state::RESTING => has_limit(order.order_type),
            order_state::WAITING => is_stop(order.order_type) && (special.stop_price > 0 || special.activation > 0),
            order_state::PENDING => special.list != 0,
            _ => false,
        };
        let has_room = special.hidden < ORDER_LIMIT
            && self.book.side(seat.market, order.side).lots + special.hidden <= SIDE_LOTS_MAX
            && (special.hidden == 0 || (rests && special.iceberg > 0));
        let prices = [special.stop_price, special.hold_price, special.iceberg, best];
        let in_range = prices.iter().all(|&price| price < 2 * ORDER_LIMIT) && special.delta < BIPS;
        let follows = special.activation > 0 && state == order_state::WAITING && !crossed.contains(&id);
        if !is_sound || !has_room || !in_range || (follows && best == 0) {
            return Err(impossible());
        }
        *self.book.order_mut(slot) = order.as_special();
        self.book.add_lots(seat.market, order.side, special.hidden);
        self.book.specials.insert(id, special);
        if !rests {
            parked.push((id, slot));
        }
        if follows {
            followers.push((special.activation, best, slot));
        } else if state == order_state::WAITING && !crossed.contains(&id) {
            let stops = self.triggers.stops.entry(seat.market).or_default();
            let direction = direction_of(order.order_type, order.side);
            match special.delta {
                0 => stops.wait(direction, special.stop_price, id),
                _ => stops.start_at(direction, special.stop_price, id),
            }
        }
        Ok(())
    }

    fn read_parked(&mut self, input: &mut Reader, id: u64) -> Read<u32> {
        let impossible = || Broken(format!("snapshot holds an impossible parked order {id}"));
        let read = self.read_order(input)?;
        let (order, terms) = (&read.order, &read.terms);
        let is_sound = order.id == id
            && (order_type::LIMIT..=order_type::TAKE_PROFIT_LIMIT).contains(&terms.order_type)
            && (time_in_force::GTC..=time_in_force::FOK).contains(&terms.time_in_force)
            && has_limit(terms.order_type) == (terms.price > 0)
            && order.executed() == 0;
        if !is_sound {
            return Err(impossible());
        }
        Ok(self.book.park(read.market, *order, terms.client_id))
    }

    fn follow_again(&mut self, mut followers: Vec<Follower>) -> Read<()> {
        followers.sort_unstable();
        let is_sound = followers.windows(2).all(|pair| pair[0].0 < pair[1].0)
            && followers.last().is_none_or(|last| last.0 <= self.triggers.activations);
        if !is_sound {
            return Err(Broken("snapshot holds orders that cannot have begun to follow the price as it says".into()));
        }
        for (activation, best, slot) in followers {
            let order = *self.book.order(slot);
            let delta = self.special(slot).delta;
            let market = self.book.seats[order.seat as usize].market;
            let stops = self.triggers.stops.entry(market).or_default();
            stops.follow(order.side, delta, order.id, best, activation);
        }
        Ok(())
    }

    /// Every order's list has it, and every list has an order.
    fn check_lists(&self) -> Read<()> {
        let mut seen = BTreeSet::new();
        for (&id, special) in self.book.specials.iter().filter(|(_, special)| special.list != 0) {
            let list = self.lists.open.get(&special.list);
            let place = list.and_then(|list| list.orders.iter().position(|&order| order == id));
            match place {
                Some(place) if place > 0 || special.state != order_state::PENDING => seen.insert(special.list),
                _ => return Err(Broken(format!("snapshot holds order {id} of a list that does not have it"))),
            };
        }
        let foreign = |list: &List| list.orders.iter().any(|id| self.is_foreign(list, *id));
        if seen.len() != self.lists.open.len() || self.lists.open.values().any(foreign) {
            return Err(Broken("snapshot holds an order list without its orders".into()));
        }
        Ok(())
    }

    /// Whether an open order is no member of a list that claims it.
    fn is_foreign(&self, list: &List, id: u64) -> bool {
        let Some(slot) = self.book.find(id) else { return false };
        let seat = &self.book.seats[self.book.order(slot).seat as usize];
        let claimed = self.book.specials.get(&id).and_then(|special| self.lists.open.get(&special.list));
        (seat.account, seat.market) != (list.account, list.market)
            || claimed.is_none_or(|of_order| !std::ptr::eq(of_order, list))
    }
}

/// An order as a snapshot has it.
pub(crate) struct Restored<'a> {
    pub market: u32,
    pub order: Order,
    pub terms: Terms<'a>,
}
