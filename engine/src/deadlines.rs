//! What happens by itself when time passes (rules version 2): countdowns that cancel an account's orders, and pauses
//! that end. It happens in the TIME command that the sequencer sends, so that it stands in the log.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::{self, Header};
use crate::engine::{Engine, Pending};
use crate::event::Outcome;
use crate::wire::*;

/// Deadlines that one TIME command deals with.
const DUE_PER_STEP: u64 = 16;

/// Whose deadline: (account, market). Account 0: the pause of the market. Market 0: all markets of the account.
pub type Owner = (u32, u32);

pub fn pause_of(market: u32) -> Owner {
    (0, market)
}

#[derive(Default)]
pub struct Deadlines {
    by_owner: BTreeMap<Owner, i64>,
    /// Earliest first; of one moment, pauses before countdowns.
    by_time: BTreeSet<(i64, Owner)>,
}

impl Deadlines {
    pub fn set(&mut self, owner: Owner, at_ns: i64) {
        self.end(owner);
        self.by_owner.insert(owner, at_ns);
        self.by_time.insert((at_ns, owner));
    }

    /// Whether the owner had none yet.
    pub fn add(&mut self, owner: Owner, at_ns: i64) -> bool {
        let is_new = !self.by_owner.contains_key(&owner);
        self.set(owner, at_ns);
        is_new
    }

    pub fn has(&self, owner: Owner) -> bool {
        self.by_owner.contains_key(&owner)
    }

    /// Whether there was one.
    pub fn end(&mut self, owner: Owner) -> bool {
        let ended = self.by_owner.remove(&owner);
        ended.is_some_and(|at_ns| self.by_time.remove(&(at_ns, owner)))
    }

    pub fn earliest_ns(&self) -> Option<i64> {
        self.by_time.first().map(|&(at_ns, _)| at_ns)
    }

    /// Takes the earliest one if its time has come.
    pub fn take_due(&mut self, now_ns: i64) -> Option<Owner> {
        let &(at_ns, owner) = self.by_time.first()?;
        (at_ns <= now_ns).then(|| {
            self.end(owner);
            owner
        })
    }

    #[cfg(feature = "python")] // only a query asks
    pub fn of_account(&self, account: u32) -> impl Iterator<Item = (u32, i64)> + '_ {
        let owners = (account, 0)..=(account, u32::MAX);
        self.by_owner.range(owners).map(|(&(_, market), &at_ns)| (market, at_ns))
    }

    /// By account, then market.
    pub fn all(&self) -> impl ExactSizeIterator<Item = (Owner, i64)> + '_ {
        self.by_owner.iter().map(|(&owner, &at_ns)| (owner, at_ns))
    }
}

impl Engine {
    /// Sets an account's countdown in a market, or (0) in all, anew; or stops it.
    pub(crate) fn countdown(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let deadline_ns = command::countdown(bytes, header.flags)?;
        self.ledger.account(header.account).ok_or(status::UNKNOWN_ACCOUNT)?;
        if header.market != 0 {
            self.market(header.market).ok_or(status::UNKNOWN_MARKET)?;
        }
        let owner = (header.account, header.market);
        let tag = if deadline_ns > 0 {
            self.deadlines.set(owner, deadline_ns);
            countdown_tag::SET
        } else {
            self.deadlines.end(owner);
            countdown_tag::STOPPED
        };
        self.events.countdown(tag, header.account, header.market, deadline_ns);
        Ok(Outcome::ok(header.account as u64))
    }

    /// TIME: what was to happen until now does, the earliest first; the rest waits for the next one (`more`).
    pub(crate) fn time_passes(&mut self) -> Outcome {
        let mut due = 0;
        while due < DUE_PER_STEP {
            let Some((account, market)) = self.deadlines.take_due(self.time_ns) else { break };
            due += 1;
            if account == 0 {
                self.set_state(market, market_state::TRADING);
            } else {
                self.count_down_ends(account, market);
            }
        }
        let more = self.deadlines.earliest_ns().is_some_and(|at_ns| at_ns <= self.time_ns);
        Outcome::ok(due).with_more(more)
    }

    /// Paused is exactly what has a time at which the pause ends.
    pub(crate) fn check_pauses(&self) -> Result<(), String> {
        for (at, market) in self.markets.iter().enumerate() {
            let is_paused = market.state == market_state::PAUSED;
            if is_paused != self.deadlines.has(pause_of(at as u32 + 1)) {
                return Err(format!("the pause of {} does not end, or has no beginning", market.symbol));
            }
        }
        Ok(())
    }

    fn count_down_ends(&mut self, account: u32, market: u32) {
        self.events.countdown(countdown_tag::FIRED, account, market, 0);
        let work = Pending { account, market, last_order_id: self.last_order_id, sequence: self.sequence };
        let (_, more) = self.cancel_step(&work);
        if more {
            self.pending.push_back(work);
        }
    }
}
