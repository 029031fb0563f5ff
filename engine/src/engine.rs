//! The engine: a pure function of its command sequence.
//!
//! No clock, randomness, I/O, floating point or iteration over an unordered map. Same commands, same events, same
//! rolling hash. Guards come first and change nothing; effects come after and cannot fail.

use std::collections::{BTreeMap, VecDeque};
use std::mem::MaybeUninit;

use crate::ahead::Ahead;
use crate::book::Book;
use crate::command::{self, Header, BATCH_HEADER, HEADER};
use crate::deadlines::Deadlines;
use crate::event::{Events, Outcome};
use crate::ledger::Ledger;
use crate::lists::Lists;
use crate::market::{Asset, Market};
use crate::prefetch::prefetch;
use crate::reference::References;
use crate::session::{Admission, Sessions};
use crate::triggers::Triggers;
use crate::wire::*;

/// The rules that every engine begins with, and the newest that a RULES command may activate.
pub const RULES_FIRST: u32 = 1;
pub const RULES_NEWEST: u32 = 2;

/// A batch that may not exist, or an invariant that does not hold. The engine is not to be used after an error that
/// comes from inside a command; framing errors change nothing.
#[derive(Debug)]
pub struct Broken(pub String);

/// Work that one command started and that later CONTINUE commands go on with.
pub struct Pending {
    pub account: u32,
    /// 0 for every market.
    pub market: u32,
    /// Orders with a larger id came later and are left alone.
    pub last_order_id: u64,
    pub sequence: u64,
}

pub struct Hold {
    pub account: u32,
    pub asset: u32,
    pub amount: Atoms,
}

#[derive(Default)]
pub struct Engine {
    pub sequence: u64,
    pub time_ns: i64,
    pub epoch: u32,
    pub rules: u32,
    pub last_order_id: u64,
    pub ledger: Ledger,
    pub assets: Vec<Asset>,
    pub markets: Vec<Market>,
    pub book: Book,
    pub sessions: Sessions,
    pub references: References,
    /// Open holds of withdrawals and the like, by the digest of their reference.
    pub holds: BTreeMap<u128, Hold>,
    pub pending: VecDeque<Pending>,
    pub(crate) deadlines: Deadlines,
    pub triggers: Triggers,
    pub lists: Lists,
    pub(crate) events: Events,
}

impl Engine {
    pub fn new() -> Self {
        Engine { epoch: 1, rules: RULES_FIRST, ..Engine::default() }
    }

    /// Runs a batch (docs/formats/commands.md) and returns its events (docs/formats/events.md): in the first words of
    /// `room`, or elsewhere if they do not fit.
    #[allow(unsafe_code)]
    pub fn apply<'a>(&'a mut self, batch: &[u8], room: &'a mut [MaybeUninit<u64>]) -> Result<&'a [u64], Broken> {
        self.check_framing(batch)?;
        self.time_ns = i64_at(batch, 8);
        // SAFETY: the room is borrowed for longer than the batch runs.
        unsafe { self.events.begin_batch(room) };
        let mut commands = &batch[BATCH_HEADER..];
        let mut ahead = self.is_large().then(|| Ahead::new(self, commands));
        while !commands.is_empty() {
            let header = Header::of(commands);
            let (command, rest) = commands.split_at(header.length as usize);
            match &mut ahead {
                Some(ahead) => ahead.step(self),
                None => self.foresee(rest),
            }
            self.run(header, command);
            self.events.roll_many();
            commands = rest;
        }
        Ok(self.events.end_batch())
    }

    fn check_framing(&self, batch: &[u8]) -> Result<(), Broken> {
        let broken = |what: String| Err(Broken(what));
        if batch.len() < BATCH_HEADER {
            return broken(format!("a batch of {} bytes has no header", batch.len()));
        }
        let (first, time_ns, epoch) = (u64_at(batch, 0), i64_at(batch, 8), u32_at(batch, 16));
        if first != self.sequence + 1 {
            return broken(format!("batch begins at sequence {first}, expected {}", self.sequence + 1));
        }
        if time_ns < self.time_ns {
            return broken(format!("time goes back from {} to {time_ns} at sequence {first}", self.time_ns));
        }
        if epoch != self.epoch {
            return broken(format!("batch at sequence {first} is of epoch {epoch}, the engine is in {}", self.epoch));
        }
        let (count, length) = (u32_at(batch, 20) as usize, u32_at(batch, 24) as usize);
        if batch.len() != BATCH_HEADER + length || u32_at(batch, 28) != 0 {
            return broken(format!("batch at sequence {first} says {length} bytes of commands"));
        }
        let mut commands = &batch[BATCH_HEADER..];
        for at in 0..count {
            let length = commands.first_chunk::<HEADER>().map_or(0, |header| Header::of(header).length as usize);
            if length < HEADER || !length.is_multiple_of(8) || length > commands.len() {
                return broken(format!("command {at} of the batch at sequence {first} says length {length}"));
            }
            commands = &commands[length..];
        }
        if !commands.is_empty() {
            return broken(format!("batch at sequence {first} says {count} commands, holds more"));
        }
        Ok(())
    }

    /// Has fetched what the first of `commands` will look at, while the one before it runs: the order that it names, the
    /// account, its seat and its balances. Whether it names an order at all is not asked, since the processor would
    /// guess the answer wrong too often: elsewhere there are an order's codes in that place, and nothing is lost.
    #[inline(always)]
    fn foresee(&self, commands: &[u8]) {
        let Some(bytes) = commands.first_chunk::<{ command::FORESEEN }>() else { return };
        let header = Header::of(bytes);
        self.book.foresee(command::order_named(header, bytes));
        let Some(account) = self.ledger.accounts.get(header.account as usize) else { return };
        let Some(seat) = self.book.seats.get(account.recent_seat as usize) else { return };
        for row in [seat.base_row, seat.quote_row] {
            if let Some(row) = self.ledger.rows.get(row as usize) {
                prefetch(row);
            }
        }
    }

    #[inline(always)]
    fn run(&mut self, header: &Header, bytes: &[u8]) {
        self.sequence += 1;
        self.events.begin_command();
        self.ledger.begin_command(self.sequence);
        self.triggers.touched = 0;
        let outcome = if header.session == 0 {
            self.internal(header, bytes)
        } else {
            match self.sessions.admit(header, self.rules, self.sequence) {
                Admission::Run => {
                    let outcome = self.external(header, bytes);
                    self.sessions.keep(header.number, outcome);
                    outcome
                }
                Admission::Answer(outcome) => outcome,
                Admission::Refuse(status) => {
                    let outcome = Outcome::refused(status);
                    self.sessions.keep(header.number, outcome);
                    outcome
                }
            }
        };
        self.ledger.end_command(&mut self.events);
        self.events.end_command(header, self.sequence, self.time_ns, outcome);
    }

    #[inline(always)]
    fn external(&mut self, header: &Header, bytes: &[u8]) -> Outcome {
        match header.kind {
            kind::PLACE => self.run_place(header, bytes),
            kind::CANCEL => self.run_cancel(header, bytes),
            kind::CANCEL_REPLACE => self.run_cancel_replace(header, bytes),
            _ => self.seldom(header, bytes),
        }
    }

    // Each of these has its own registers and nothing else's to save; what an outcome needs comes back in two of them.

    #[inline(never)]
    fn run_place(&mut self, header: &Header, bytes: &[u8]) -> Outcome {
        self.place(header, bytes).unwrap_or_else(Outcome::refused)
    }

    #[inline(never)]
    fn run_cancel(&mut self, header: &Header, bytes: &[u8]) -> Outcome {
        self.cancel(header, bytes).unwrap_or_else(Outcome::refused)
    }

    #[inline(never)]
    fn run_cancel_replace(&mut self, header: &Header, bytes: &[u8]) -> Outcome {
        self.cancel_replace(header, bytes).unwrap_or_else(Outcome::refused)
    }

    /// Apart from the others: what calls hand back in memory would take the outcomes above through memory as well.
    #[inline(never)]
    fn seldom(&mut self, header: &Header, bytes: &[u8]) -> Outcome {
        let result = match header.kind {
            kind::CANCEL_ALL => self.cancel_all(header, bytes),
            kind::AMEND => self.amend(header, bytes),
            kind::COUNTDOWN if self.rules >= 2 => self.countdown(header, bytes),
            kind::LIST_PLACE if self.rules >= 2 => self.list_place(header, bytes),
            kind::LIST_CANCEL if self.rules >= 2 => self.list_cancel(header, bytes),
            kind::CREDIT..=kind::CORRECTION => self.money(header, bytes),
            _ => self.operate(header, bytes),
        };
        result.unwrap_or_else(Outcome::refused)
    }

    /// What operators do: accounts, assets, markets.
    #[cold]
    fn operate(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        match header.kind {
            kind::ACCOUNT_CREATE..=kind::ACCOUNT_FREEZE | kind::ASSET_LIST..=kind::MARKET_FEES => {}
            kind::MARKET_LIMITS if self.rules >= 2 => {}
            _ => return Err(status::UNKNOWN_KIND),
        }
        command::unused_fields_are_zero(header)?;
        match header.kind {
            kind::ACCOUNT_CREATE => self.account_create(bytes),
            kind::ACCOUNT_SET => self.account_set(header, bytes),
            kind::ACCOUNT_FREEZE => self.account_freeze(header, bytes),
            kind::ASSET_LIST => self.asset_list(bytes),
            kind::ASSET_STATE => self.asset_state(header, bytes),
            kind::MARKET_LIST => self.market_list(bytes),
            kind::MARKET_STATE => self.market_state(header, bytes),
            kind::MARKET_FILTERS => self.market_filters(header, bytes),
            kind::MARKET_FEES => self.market_fees(header, bytes),
            kind::MARKET_LIMITS => self.market_limits(header, bytes),
            _ => Err(status::UNKNOWN_KIND),
        }
    }

    /// The sequencer's own commands, which belong to no session.
    fn internal(&mut self, header: &Header, bytes: &[u8]) -> Outcome {
        if !matches!(header.kind, kind::SESSION_OPEN | kind::TAKE_OVER..=kind::CONTINUE) {
            return Outcome::refused(status::UNKNOWN_SESSION);
        }
        if let Err(status) = command::unused_fields_are_zero(header) {
            return Outcome::refused(status);
        }
        let result = match header.kind {
            kind::SESSION_OPEN => self.session_open(bytes),
            kind::TAKE_OVER => self.take_over(bytes),
            kind::RULES => self.activate_rules(bytes),
            kind::TIME => command::header_only(bytes, header.flags).map(|()| self.time_passes()),
            kind::CONTINUE => command::header_only(bytes, header.flags).map(|()| self.go_on()),
            _ => Err(status::UNKNOWN_SESSION),
        };
        result.unwrap_or_else(Outcome::refused)
    }

    fn session_open(&mut self, bytes: &[u8]) -> Result<Outcome, Status> {
        let (role, name) = command::session_open(bytes, bytes[3])?;
        let id = self.sessions.open(role, name, self.sequence);
        self.events.session(id, role, name);
        Ok(Outcome::ok(id as u64))
    }

    fn take_over(&mut self, bytes: &[u8]) -> Result<Outcome, Status> {
        let epoch = command::number(bytes, bytes[3])?;
        if Some(epoch) != self.epoch.checked_add(1) {
            return Err(status::WRONG_EPOCH);
        }
        self.epoch = epoch;
        self.events.bare(event::EPOCH, epoch);
        Ok(Outcome::ok(epoch as u64))
    }

    fn activate_rules(&mut self, bytes: &[u8]) -> Result<Outcome, Status> {
        let version = command::number(bytes, bytes[3])?;
        // Never back: what the newer rules left in the books would mean nothing to the older ones.
        if !(self.rules..=RULES_NEWEST).contains(&version) {
            return Err(status::UNKNOWN_RULES);
        }
        self.rules = version;
        self.events.bare(event::RULES, version);
        Ok(Outcome::ok(version as u64))
    }

    /// The rolling event hash: equal for equal histories, whatever their batches.
    pub fn event_hash(&self) -> u64 {
        self.events.hash.value()
    }

    #[inline]
    pub fn market(&self, id: u32) -> Option<&Market> {
        self.markets.get(place_of(id))
    }

    pub fn asset(&self, id: u32) -> Option<&Asset> {
        self.assets.get(place_of(id))
    }

    /// Checks the invariants that tie books, holds and balances together; `Err` says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.book.check()?;
        self.check_sums()?;
        self.check_holds()?;
        self.check_triggers()?;
        self.check_pauses()
    }

    fn check_sums(&self) -> Result<(), String> {
        let mut sums = vec![0 as Atoms; self.assets.len()];
        for row in &self.ledger.rows {
            // Saturating: a damaged snapshot may hold anything, and must be told rather than overflow.
            let sum = &mut sums[row.asset as usize - 1];
            *sum = sum.saturating_add(row.available).saturating_add(row.held);
            let class = self.ledger.accounts[row.account as usize].class;
            let may_owe = class == class::MIRROR || class == class::LOSS;
            if row.held < 0 || (row.available < 0 && !may_owe) {
                return Err(format!("account {} has a negative balance of asset {}", row.account, row.asset));
            }
        }
        match sums.iter().position(|&sum| sum != 0) {
            Some(at) => Err(format!("asset {} sums to {}", at + 1, sums[at])),
            None => Ok(()),
        }
    }

    fn check_holds(&self) -> Result<(), String> {
        let mut held = vec![0 as Atoms; self.ledger.rows.len()];
        for market in 1..=self.markets.len() as u32 {
            for side in [side::BUY, side::SELL] {
                for level in self.book.levels(market, side) {
                    for slot in self.book.queue(level) {
                        let order = self.book.order(slot);
                        if order.is_special() {
                            continue;
                        }
                        let seat = &self.book.seats[order.seat as usize];
                        let terms = &self.markets[place_of(market)];
                        let held = &mut held[seat.paid_row(side) as usize];
                        *held = held.saturating_add(terms.hold_of(side, order.price, order.remaining));
                    }
                }
            }
        }
        for &id in self.book.specials.keys() {
            let slot = self.book.find(id).ok_or("a special order without its order")?;
            let order = self.book.order(slot);
            // A pair holds together: it is counted with its younger order.
            if self.other_of_pair(slot).is_none_or(|other| self.book.order(other).id < id) {
                let held = &mut held[self.book.seats[order.seat as usize].paid_row(order.side) as usize];
                *held = held.saturating_add(self.held_for(slot));
            }
        }
        for hold in self.holds.values() {
            let row = self.ledger.find(hold.account, hold.asset).ok_or("a hold without a balance")?;
            held[row as usize] = held[row as usize].saturating_add(hold.amount);
        }
        for (row, held) in self.ledger.rows.iter().zip(held) {
            if row.held != held {
                let place = format!("account {} asset {}", row.account, row.asset);
                return Err(format!("{place}: {} held, orders and holds need {held}", row.held));
            }
        }
        Ok(())
    }
}
