//! Fetching what the commands of a batch will look at, many commands ahead.
//!
//! In a large exchange nearly everything that a command touches is in main memory, and most of it is only known from
//! something else that has to be there first: command, account's seat, balances; order, level, neighbours. One command
//! would wait for one after the other. So each command is followed along that way in stages while others run: a stage has
//! fetched what the stage before it has found out, and goes on when that has arrived.
//!
//! All of it is guessed. What a command does before the one that was looked at may prove it wrong, and then it was fetched
//! in vain.

use crate::book::{key, NIL};
use crate::command::{self, Header};
use crate::engine::Engine;
use crate::index::hash_pair;
use crate::prefetch::prefetch;
use crate::wire::*;

/// Commands between the stages: about as long as memory takes to come.
const STEP: usize = 3;
const STAGES: usize = 5;
const DEPTH: usize = STEP * STAGES;
/// Commands in sight.
const SIGHTS: usize = DEPTH.next_power_of_two();
/// Balances from which on what commands touch no longer fits the caches near the processor. Fewer, and looking so far
/// ahead costs more than it saves.
const LARGE: usize = 1 << 16;

/// What is known of a command that has not run yet; what is not known names nothing.
#[derive(Clone, Copy)]
struct Sight {
    account: u32,
    market: u32,
    order_id: u64,
    price: Ticks,
    side: u8,
    /// Of the account in the market.
    seat: u32,
    /// Of the order that is named, and its seat.
    order: u32,
    /// Where the command's price is.
    level: u32,
    /// The first order that it would trade with, and its seat.
    maker: u32,
    maker_seat: u32,
}

const NOTHING: Sight = Sight {
    account: NIL,
    market: NIL,
    order_id: 0,
    price: 0,
    side: 0,
    seat: NIL,
    order: NIL,
    level: NIL,
    maker: NIL,
    maker_seat: NIL,
};

pub(crate) struct Ahead<'a> {
    unseen: &'a [u8],
    sights: [Sight; SIGHTS],
    at: usize,
}

impl<'a> Ahead<'a> {
    pub(crate) fn new(engine: &Engine, commands: &'a [u8]) -> Self {
        let mut ahead = Ahead { unseen: commands, sights: [NOTHING; SIGHTS], at: 0 };
        (0..DEPTH).for_each(|_| ahead.step(engine));
        ahead
    }

    /// Before a command runs: looks at one more, and at those before it more closely.
    #[inline(never)]
    pub(crate) fn step(&mut self, engine: &Engine) {
        let now = self.at;
        self.at += 1;
        let nth = |stage: usize| (now + SIGHTS - stage * STEP) % SIGHTS;
        engine.foresee_maker_rows(&self.sights[nth(4)]);
        engine.foresee_neighbours(&mut self.sights[nth(3)]);
        engine.foresee_rows(&mut self.sights[nth(2)]);
        engine.foresee_slots(&mut self.sights[nth(1)]);
        self.sights[nth(0)] = engine.foresee_places(&mut self.unseen);
    }
}

#[inline(always)]
fn fetch<T>(from: &[T], at: u32) {
    if let Some(place) = from.get(at as usize) {
        prefetch(place);
    }
}

impl Engine {
    pub(crate) fn is_large(&self) -> bool {
        self.ledger.rows.len() >= LARGE
    }

    /// What the command alone names: account, market, price, and where seat and order are found.
    #[inline(always)]
    fn foresee_places(&self, unseen: &mut &[u8]) -> Sight {
        let Some(bytes) = unseen.first_chunk::<{ command::FORESEEN }>() else { return NOTHING };
        let header = Header::of(bytes);
        *unseen = &unseen[header.length as usize..];
        let (account, market) = (header.account, header.market);
        let (order_id, price, side) = (command::order_named(header, bytes), u64_at(bytes, 32), bytes[24] & 1);
        fetch(&self.ledger.accounts, account);
        self.book.by_seat.foresee(hash_pair(account, market));
        self.book.ids.foresee(order_id);
        if let (Some(sides), Some(market)) = (self.book.sides.get(place_of(market)), self.market(market)) {
            prefetch(&market.update_id);
            prefetch(&market.filters);
            prefetch(&market.fees.standard);
            prefetch(&sides.of(side).best);
            prefetch(&sides.of(side ^ 1).best);
            sides.of(side).levels.foresee(key(side, price));
        }
        Sight { account, market, order_id, price, side, ..NOTHING }
    }

    /// Seat, order, block of levels, and best level of the other side.
    #[inline(always)]
    fn foresee_slots(&self, sight: &mut Sight) {
        let Some(sides) = self.book.sides.get(place_of(sight.market)) else { return };
        sight.order = self.book.ids.guess_any(sight.order_id);
        if let Some(order) = self.book.orders.get(sight.order as usize) {
            prefetch(&order.id);
            prefetch(&order.seat);
        }
        sides.of(sight.side).levels.foresee_block(key(sight.side, sight.price));
        fetch(&self.book.levels, sides.of(sight.side ^ 1).best);
        match self.book.by_seat.guess(hash_pair(sight.account, sight.market)) {
            Some(seat) => {
                sight.seat = seat;
                fetch(&self.book.seats, seat);
            }
            None => self.foresee_new_seat(sight),
        }
    }

    /// The places where the balances of an account are found that has no seat yet.
    #[inline(always)]
    fn foresee_new_seat(&self, sight: &Sight) {
        fetch(&self.ledger.estates, sight.account);
        if let Some(market) = self.market(sight.market) {
            self.ledger.index.foresee(hash_pair(sight.account, market.base));
            self.ledger.index.foresee(hash_pair(sight.account, market.quote));
        }
    }

    /// Balances, and what lies around order and price.
    #[inline(always)]
    fn foresee_rows(&self, sight: &mut Sight) {
        let Some(sides) = self.book.sides.get(place_of(sight.market)) else { return };
        if let Some(seat) = self.book.seats.get(sight.seat as usize) {
            fetch(&self.ledger.rows, seat.base_row);
            fetch(&self.ledger.rows, seat.quote_row);
        } else {
            self.foresee_new_rows(sight);
        }
        sight.level = sides.of(sight.side).levels.guess(key(sight.side, sight.price));
        fetch(&self.book.levels, sight.level);
        if let Some(level) = self.book.levels.get(sides.of(sight.side ^ 1).best as usize) {
            sight.maker = level.head;
            if let Some(maker) = self.book.orders.get(sight.maker as usize) {
                prefetch(&maker.id);
                prefetch(&maker.seat);
            }
        }
        if let Some(order) = self.book.orders.get(sight.order as usize) {
            fetch(&self.book.seats, order.seat);
            fetch(&self.book.levels, order.level);
            for neighbour in [order.prev, order.next, order.seat_prev, order.seat_next] {
                if let Some(order) = self.book.orders.get(neighbour as usize) {
                    prefetch(&order.seat);
                }
            }
            let levels = &sides.of(order.side).levels;
            levels.foresee_block(key(order.side, order.price));
        }
    }

    #[inline(always)]
    fn foresee_new_rows(&self, sight: &Sight) {
        let Some(market) = self.market(sight.market) else { return };
        for asset in [market.base, market.quote] {
            if let Some(row) = self.ledger.index.guess(hash_pair(sight.account, asset)) {
                fetch(&self.ledger.rows, row);
            }
        }
        if let Some(estate) = self.ledger.estates.get(sight.account as usize) {
            fetch(&self.book.seats, estate.last_seat);
        }
    }

    /// The orders that a new one is linked to, and the seat of the first maker.
    #[inline(always)]
    fn foresee_neighbours(&self, sight: &mut Sight) {
        if let Some(level) = self.book.levels.get(sight.level as usize) {
            if let Some(order) = self.book.orders.get(level.tail as usize) {
                prefetch(&order.seat);
            }
        }
        if let Some(seat) = self.book.seats.get(sight.seat as usize) {
            if let Some(order) = self.book.orders.get(seat.tail as usize) {
                prefetch(&order.seat);
            }
        }
        if let Some(maker) = self.book.orders.get(sight.maker as usize) {
            sight.maker_seat = maker.seat;
            fetch(&self.book.seats, maker.seat);
        }
        if let Some(order) = self.book.orders.get(sight.order as usize) {
            if let Some(seat) = self.book.seats.get(order.seat as usize) {
                fetch(&self.ledger.rows, seat.paid_row(order.side));
            }
        }
    }

    #[inline(always)]
    fn foresee_maker_rows(&self, sight: &Sight) {
        if let Some(seat) = self.book.seats.get(sight.maker_seat as usize) {
            fetch(&self.ledger.rows, seat.base_row);
            fetch(&self.ledger.rows, seat.quote_row);
            fetch(&self.ledger.accounts, seat.account);
        }
        let Some(market) = self.market(sight.market) else { return };
        fetch(&self.ledger.rows, market.fee_rows[0]);
        fetch(&self.ledger.rows, market.fee_rows[1]);
    }
}
