//! Dry runs of matching: what an order would execute, before anything happens.

use std::collections::VecDeque;

use crate::book::{accepts, Book};
use crate::command::{Header, Terms};
use crate::ledger::Ledger;
use crate::limits::Bounds;
use crate::market::Market;
use crate::trading::{affordable, stp_group_of, MAKERS_MAX};
use crate::wire::*;

/// What an arriving MARKET order must hold before it may match.
#[inline(never)]
pub(crate) fn market_hold(
    book: &Book,
    ledger: &Ledger,
    market: &mut Market,
    header: &Header,
    terms: &Terms,
    time_ns: i64,
) -> Atoms {
    let bounds = market.execution_bounds(terms.side, time_ns);
    let walked = || walk(book, ledger, market, (header.account, header.market), terms, bounds);
    match (terms.side, terms.budget) {
        (side::BUY, 0) => walked().1,
        (side::BUY, budget) => budget,
        (_, 0) => market.base_atoms(terms.quantity),
        (_, _) => market.base_atoms(walked().0),
    }
}

/// A dry run of matching: the lots that would execute, their value, and the makers that it met; with the same stops as
/// the real one.
pub(crate) fn walk(
    book: &Book,
    ledger: &Ledger,
    market: &Market,
    (account, market_id): (u32, u32),
    terms: &Terms,
    (lowest, highest): Bounds,
) -> (Lots, Atoms, u32) {
    let stp_group = ledger.accounts[account as usize].stp_group;
    let (mut lots, mut value, mut makers) = (0, 0, 0);
    // What self-trade prevention takes off the taker, which executes nothing.
    let (mut prevented_lots, mut prevented_value) = (0, 0);
    for level in book.levels(market_id, terms.side ^ 1) {
        if !(lowest..=highest).contains(&level.price) {
            break;
        }
        if terms.order_type != order_type::MARKET && !accepts(terms.side, terms.price, level.price) {
            break;
        }
        let lot_value = market.lot_value(level.price);
        let mut queue = book.queue(level);
        // What icebergs hide comes behind everything that the level shows, part by part.
        let mut hidden = VecDeque::new();
        while let Some(part) = queue.next().map(|slot| Part::of(book, slot)).or_else(|| hidden.pop_front()) {
            let left = if terms.budget > 0 {
                affordable(terms.budget - value - prevented_value, lot_value)
            } else {
                terms.quantity - lots - prevented_lots
            };
            if left == 0 || makers == MAKERS_MAX {
                return (lots, value, makers);
            }
            makers += 1;
            let taken = left.min(part.shown);
            let is_own = terms.stp != stp::NONE && part.stp_group(book, ledger) == stp_group;
            match terms.stp {
                stp::EXPIRE_MAKER if is_own => continue,
                stp::DECREMENT if is_own => {
                    prevented_lots += taken;
                    prevented_value += lot_value * taken as Atoms;
                }
                _ if is_own => return (lots, value, makers),
                _ => {
                    lots += taken;
                    value += lot_value * taken as Atoms;
                }
            }
            hidden.extend(part.next());
        }
    }
    (lots, value, makers)
}

/// What a dry run meets of an order at once: all of it, or what it shows at a time.
struct Part {
    slot: u32,
    shown: Lots,
    hidden: Lots,
    iceberg: Lots,
}

impl Part {
    #[inline]
    fn of(book: &Book, slot: u32) -> Self {
        let order = book.order(slot);
        let mut part = Part { slot, shown: order.remaining, hidden: 0, iceberg: 0 };
        if order.is_special() {
            let special = &book.specials[&order.id];
            (part.hidden, part.iceberg) = (special.hidden, special.iceberg);
        }
        part
    }

    fn stp_group(&self, book: &Book, ledger: &Ledger) -> u32 {
        stp_group_of(book, ledger, book.order(self.slot))
    }

    /// What is shown when this is gone.
    #[inline]
    fn next(self) -> Option<Self> {
        let shown = self.iceberg.min(self.hidden);
        (shown > 0).then(|| Part { shown, hidden: self.hidden - shown, ..self })
    }
}
