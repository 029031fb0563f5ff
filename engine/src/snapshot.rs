//! The engine's state as bytes, and back (docs/formats/snapshots.md, "Engine section").
//!
//! The order of everything is canonical: what a map would leave open is sorted, orders go by market, side, price and
//! queue. So two engines with the same history write the same bytes, and their hash is the state hash.

use crate::book::Order;
use crate::command::{Filters, Terms, FILTERS};
use crate::engine::{Broken, Engine, Hold, Pending, RULES_FIRST, RULES_NEWEST};
use crate::event::Outcome;
use crate::hash::RollingHash;
use crate::ledger::{Account, Estate, FIRST_ACCOUNT};
use crate::market::{filters_are_sound, Asset, Fees, Market, Rates, ORDER_LIMIT};
use crate::money::BALANCE_LIMIT;
use crate::reference::Reference;
use crate::session::{Kept, Session, SESSIONS_MAX, WINDOW};
use crate::snapshot_special::Restored;
use crate::special::Special;
use crate::trading::SIDE_LOTS_MAX;
use crate::wire::*;

const MAGIC: &[u8; 8] = b"CAMBENG2";

/// Little-endian words after one another.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u128(&mut self, value: u128) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn atoms(&mut self, value: Atoms) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn text(&mut self, text: &[u8]) {
        self.u8(text.len() as u8);
        self.0.extend_from_slice(text);
    }

    pub fn count(&mut self, count: usize) {
        self.u64(count as u64);
    }
}

/// Reads what `Writer` wrote; every read past the end is an error, never a panic.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

pub type Read<T> = Result<T, Broken>;

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    pub fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let end =
            end.ok_or_else(|| Broken(format!("snapshot ends at byte {}, more was expected", self.bytes.len())))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("exactly N bytes"))
    }

    pub fn u8(&mut self) -> Read<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u32(&mut self) -> Read<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Read<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub fn i64(&mut self) -> Read<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub fn u128(&mut self) -> Read<u128> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    pub fn atoms(&mut self) -> Read<Atoms> {
        Ok(Atoms::from_le_bytes(self.array()?))
    }

    pub fn text(&mut self) -> Read<&'a [u8]> {
        let length = self.u8()? as usize;
        self.take(length)
    }

    pub fn string(&mut self) -> Read<String> {
        let text = self.text()?;
        String::from_utf8(text.to_vec()).map_err(|_| Broken("snapshot holds a name that is not text".into()))
    }

    /// A count of things that take at least one byte each, so that damage cannot ask for more memory than there is.
    pub fn count(&mut self) -> Read<usize> {
        let count = self.u64()?;
        if count > (self.bytes.len() - self.at) as u64 {
            return Err(Broken(format!("snapshot says {count} entries, more than it has bytes")));
        }
        Ok(count as usize)
    }

    pub fn end(&self) -> Read<()> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(Broken("snapshot goes on after its end".into()))
        }
    }
}

impl Engine {
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = Writer(MAGIC.to_vec());
        self.write_progress(&mut out);
        self.write_business(&mut out);
        out.0
    }

    /// BLAKE3 of the whole state.
    pub fn state_hash(&self) -> [u8; 32] {
        *blake3::hash(&self.snapshot()).as_bytes()
    }

    /// BLAKE3 of the state without sequence, time, event hash and session results: what a refused command leaves as
    /// it was.
    pub fn business_hash(&self) -> [u8; 32] {
        let mut out = Writer::default();
        self.write_business(&mut out);
        *blake3::hash(&out.0).as_bytes()
    }

    fn write_progress(&self, out: &mut Writer) {
        out.u64(self.sequence);
        out.i64(self.time_ns);
        let hash = &self.events.hash;
        hash.lanes().iter().for_each(|&lane| out.u64(lane));
        out.u8(hash.waiting().len() as u8);
        hash.waiting().iter().for_each(|&word| out.u64(word));
        out.u32(self.sessions.opened);
        out.count(self.sessions.list.len());
        for session in &self.sessions.list {
            out.u32(session.id);
            out.u8(session.role);
            out.text(&session.name);
            out.u64(session.last_number);
            out.u64(session.last_used);
            let kept: Vec<&Kept> = session.kept.iter().filter(|kept| kept.number != 0).collect();
            out.count(kept.len());
            for kept in kept {
                out.u64(kept.number);
                out.u64(kept.outcome.value);
                out.u32(kept.outcome.status() as u32);
                out.u8(kept.outcome.more() as u8);
            }
        }
    }

    fn write_business(&self, out: &mut Writer) {
        self.write_before_references(out);
        self.write_from_references(out);
    }

    /// Where the references lie in the bytes of `snapshot`: at which byte the first begins, and how many there are.
    /// They are only ever added to, so who stores snapshots may store the older ones once.
    pub fn references_in_snapshot(&self) -> (usize, usize) {
        let mut out = Writer(MAGIC.to_vec());
        self.write_progress(&mut out);
        self.write_before_references(&mut out);
        let references = self.references.list.len();
        out.count(references);
        (out.0.len(), references)
    }

    fn write_before_references(&self, out: &mut Writer) {
        out.u32(self.epoch);
        out.u32(self.rules);
        out.u64(self.last_order_id);
        self.write_accounts(out);
        out.count(self.assets.len());
        for asset in &self.assets {
            out.text(asset.name.as_bytes());
            out.u8(asset.scale);
            out.u8(asset.state);
        }
        out.count(self.markets.len());
        for market in &self.markets {
            write_market(out, market);
        }
        out.count(self.ledger.rows.len());
        for row in &self.ledger.rows {
            out.u32(row.account);
            out.u32(row.asset);
            out.atoms(row.available);
            out.atoms(row.held);
        }
        out.count(self.book.seats.len());
        for seat in &self.book.seats {
            out.u32(seat.account);
            out.u32(seat.market);
        }
        self.write_orders(out);
    }

    fn write_from_references(&self, out: &mut Writer) {
        out.count(self.references.list.len());
        for reference in &self.references.list {
            out.u128(reference.digest);
            out.u64(reference.content);
            out.u64(reference.value);
        }
        out.count(self.holds.len());
        for (digest, hold) in &self.holds {
            out.u128(*digest);
            out.u32(hold.account);
            out.u32(hold.asset);
            out.atoms(hold.amount);
        }
        out.count(self.pending.len());
        for work in &self.pending {
            out.u32(work.account);
            out.u32(work.market);
            out.u64(work.last_order_id);
            out.u64(work.sequence);
        }
        if self.rules >= 2 {
            self.write_specials(out);
            self.write_version_2(out);
        }
    }

    fn write_accounts(&self, out: &mut Writer) {
        let known: Vec<usize> =
            (0..self.ledger.accounts.len()).filter(|&id| self.ledger.accounts[id].class != 0).collect();
        out.count(known.len());
        for id in known {
            let account = &self.ledger.accounts[id];
            out.u32(id as u32);
            for code in [account.class, account.tier, account.permissions, account.frozen as u8] {
                out.u8(code);
            }
            out.u32(account.stp_group);
            out.u64(self.ledger.estates[id].owner);
        }
    }

    /// By market, side, price and queue.
    fn write_orders(&self, out: &mut Writer) {
        let is_parked = |special: &&Special| special.state != order_state::RESTING;
        out.count(self.book.open_orders() - self.book.specials.values().filter(is_parked).count());
        for market in 1..=self.markets.len() as u32 {
            for side in [side::BUY, side::SELL] {
                for level in self.book.levels(market, side) {
                    for slot in self.book.queue(level) {
                        self.write_order(out, self.book.order(slot));
                    }
                }
            }
        }
    }

    pub(crate) fn write_order(&self, out: &mut Writer, order: &Order) {
        out.u64(order.id);
        out.u32(order.seat);
        for code in [order.side, order.order_type, order.time_in_force(), order.stp] {
            out.u8(code);
        }
        out.u64(order.price);
        out.u64(order.remaining);
        out.u64(order.quantity);
        out.atoms(order.executed_quote);
        out.i64(order.accepted_ns);
        out.i64(order.updated_ns);
        out.text(self.book.client_id(order));
    }

    pub fn restore(bytes: &[u8]) -> Result<Engine, Broken> {
        let mut input = Reader::new(bytes);
        if input.take(8)? != MAGIC {
            return Err(Broken("not an engine snapshot of this version".into()));
        }
        let mut engine = Engine::new();
        engine.read_progress(&mut input)?;
        engine.read_business(&mut input)?;
        input.end()?;
        engine.check().map_err(Broken)?;
        Ok(engine)
    }

    fn read_progress(&mut self, input: &mut Reader) -> Read<()> {
        self.sequence = input.u64()?;
        self.time_ns = input.i64()?;
        self.events.hash = read_hash(input)?;
        self.sessions.opened = input.u32()?;
        for _ in 0..input.count()? {
            let (id, role, name) = (input.u32()?, input.u8()?, input.text()?);
            let (last_number, last_used) = (input.u64()?, input.u64()?);
            let is_next = self.sessions.list.last().is_none_or(|before| before.id < id);
            if !is_next || id > self.sessions.opened || self.sessions.list.len() == SESSIONS_MAX {
                return Err(Broken(format!("snapshot holds an impossible session {id}")));
            }
            let mut session = Session::new(id, role, name, last_used);
            session.last_number = last_number;
            for _ in 0..input.count()? {
                let number = input.u64()?;
                let (value, status, more) = (input.u64()?, input.u32()? as Status, input.u8()? == 1);
                let outcome = Outcome::with_status(status, value).with_more(more);
                session.kept[(number % WINDOW) as usize] = Kept { number, outcome };
            }
            self.sessions.list.push(session);
        }
        Ok(())
    }

    fn read_business(&mut self, input: &mut Reader) -> Read<()> {
        self.epoch = input.u32()?;
        self.rules = input.u32()?;
        if !(RULES_FIRST..=RULES_NEWEST).contains(&self.rules) {
            return Err(Broken(format!("snapshot of rules version {}, which this engine does not know", self.rules)));
        }
        self.last_order_id = input.u64()?;
        self.read_accounts(input)?;
        for _ in 0..input.count()? {
            let asset = Asset { name: input.string()?, scale: input.u8()?, state: input.u8()? };
            self.assets.push(asset);
        }
        for _ in 0..input.count()? {
            let market = read_market(input)?;
            let is_sound = self.asset(market.base).is_some()
                && self.asset(market.quote).is_some()
                && market.tick_lot_atoms > 0
                && market.fees.are_bounded()
                && filters_are_sound(&market.filters, market.tick_lot_atoms, market.lot_atoms);
            if !is_sound {
                return Err(Broken(format!("snapshot holds an impossible market {}", market.symbol)));
            }
            self.markets.push(market);
            self.book.add_market();
        }
        for _ in 0..input.count()? {
            let (account, asset) = (input.u32()?, input.u32()?);
            let (available, held) = (input.atoms()?, input.atoms()?);
            let is_known = self.ledger.account(account).is_some() && self.asset(asset).is_some();
            if !is_known || !is_balance(available) || !is_balance(held) || self.ledger.find(account, asset).is_some() {
                return Err(Broken(format!(
                    "snapshot holds an impossible balance of account {account}, asset {asset}"
                )));
            }
            self.ledger.add_row(account, asset, available, held);
        }
        for at in 0..self.markets.len() {
            let (base, quote) = (self.markets[at].base, self.markets[at].quote);
            let fees = crate::ledger::FEES;
            let rows = (self.ledger.find(fees, base), self.ledger.find(fees, quote));
            let (Some(base), Some(quote)) = rows else { return Err(Broken("a market without fee balances".into())) };
            self.markets[at].fee_rows = [base, quote];
        }
        for _ in 0..input.count()? {
            let (account, market) = (input.u32()?, input.u32()?);
            let is_known = self.ledger.account(account).is_some() && self.market(market).is_some();
            if !is_known || self.book.look_up_seat(account, market).is_some() {
                return Err(Broken(format!("snapshot seats account {account} in market {market}")));
            }
            self.take_seat(account, market);
        }
        let mut by_age = self.read_orders(input)?;
        for _ in 0..input.count()? {
            let reference = Reference { digest: input.u128()?, content: input.u64()?, value: input.u64()? };
            self.references.add(reference);
        }
        for _ in 0..input.count()? {
            let digest = input.u128()?;
            let hold = Hold { account: input.u32()?, asset: input.u32()?, amount: input.atoms()? };
            if !is_balance(hold.amount) {
                return Err(Broken(format!("snapshot holds an impossible hold of account {}", hold.account)));
            }
            self.holds.insert(digest, hold);
        }
        for _ in 0..input.count()? {
            let work = Pending {
                account: input.u32()?,
                market: input.u32()?,
                last_order_id: input.u64()?,
                sequence: input.u64()?,
            };
            if self.ledger.account(work.account).is_none() {
                return Err(Broken(format!("snapshot has work pending for account {}", work.account)));
            }
            self.pending.push_back(work);
        }
        if self.rules >= 2 {
            by_age.extend(self.read_specials(input)?);
            self.read_version_2(input)?;
        }
        by_age.sort_unstable();
        self.book.seat_by_age(by_age.into_iter().map(|(_, slot)| slot));
        Ok(())
    }

    fn read_accounts(&mut self, input: &mut Reader) -> Read<()> {
        for _ in 0..input.count()? {
            let id = input.u32()? as usize;
            let (class, tier, permissions, frozen) = (input.u8()?, input.u8()?, input.u8()?, input.u8()? == 1);
            let (stp_group, owner) = (input.u32()?, input.u64()?);
            let known = self.ledger.accounts.len();
            if class == 0 || tier >= 16 || (id >= FIRST_ACCOUNT as usize && id != known) || id > known {
                return Err(Broken(format!("snapshot holds an impossible account {id}")));
            }
            let account = Account { frozen, ..Account::new(class, tier, permissions, stp_group) };
            if id == known {
                self.ledger.add_account(account, owner);
            } else {
                self.ledger.accounts[id] = account;
                self.ledger.estates[id] = Estate::of(owner);
            }
        }
        Ok(())
    }

    /// Returns ids and slots: orders are written by queue, but must enter their seats by age.
    fn read_orders(&mut self, input: &mut Reader) -> Read<Vec<(u64, u32)>> {
        let count = input.count()?;
        let mut by_age: Vec<(u64, u32)> = Vec::with_capacity(count);
        for _ in 0..count {
            let Restored { market, order, terms } = self.read_order(input)?;
            let may_rest = match terms.order_type {
                order_type::LIMIT | order_type::LIMIT_MAKER => true,
                order_type::STOP_LOSS_LIMIT | order_type::TAKE_PROFIT_LIMIT => self.rules >= 2,
                _ => false,
            };
            if !may_rest || terms.time_in_force != time_in_force::GTC || terms.price == 0 {
                return Err(Broken(format!("snapshot holds an impossible order {} at rest", order.id)));
            }
            by_age.push((order.id, self.book.rest(market, order, terms.client_id).0));
        }
        Ok(by_age)
    }

    pub(crate) fn read_order<'a>(&self, input: &mut Reader<'a>) -> Read<Restored<'a>> {
        let (id, seat) = (input.u64()?, input.u32()?);
        let (side, order_type, time_in_force, stp) = (input.u8()?, input.u8()?, input.u8()?, input.u8()?);
        let (price, remaining, quantity) = (input.u64()?, input.u64()?, input.u64()?);
        let executed_quote = input.atoms()?;
        let (accepted_ns, updated_ns) = (input.i64()?, input.i64()?);
        let client_id = input.text()?;
        let impossible = || Broken(format!("snapshot holds an impossible order {id}"));
        let market = self.book.seats.get(seat as usize).map(|seat| seat.market).ok_or_else(impossible)?;
        let is_sound = (1..=self.last_order_id).contains(&id)
            && side <= side::SELL
            && stp <= stp::DECREMENT
            && client_id.len() <= CLIENT_ID_MAX
            && price < ORDER_LIMIT
            && (1..=quantity).contains(&remaining)
            && quantity < ORDER_LIMIT
            && self.book.side(market, side).lots + remaining <= SIDE_LOTS_MAX
            && self.book.find(id).is_none();
        if !is_sound {
            return Err(impossible());
        }
        let terms = Terms { side, order_type, time_in_force, stp, price, quantity, budget: 0, client_id };
        let mut order = Order::new(id, &terms, quantity, accepted_ns, seat);
        order.remaining = remaining;
        order.executed_quote = executed_quote;
        order.updated_ns = updated_ns;
        Ok(Restored { market, order, terms })
    }
}

/// Whether a balance is one that commands can lead to.
fn is_balance(atoms: Atoms) -> bool {
    (-BALANCE_LIMIT..=BALANCE_LIMIT).contains(&atoms)
}

fn write_market(out: &mut Writer, market: &Market) {
    out.text(market.symbol.as_bytes());
    out.u32(market.base);
    out.u32(market.quote);
    out.u64(market.tick_atoms);
    out.u64(market.lot_atoms);
    out.u64(market.tick_lot_atoms);
    out.0.extend_from_slice(&market.filters.write());
    for rates in market.fees.standard.iter().chain([&market.fees.special, &market.fees.tax]) {
        rates.iter().for_each(|&rate| out.u32(rate));
    }
    out.u8(market.state);
    out.u64(market.update_id);
    out.u64(market.last_price);
    out.u64(market.trade_id);
}

fn read_market(input: &mut Reader) -> Read<Market> {
    let symbol = input.string()?;
    let (base, quote) = (input.u32()?, input.u32()?);
    let (tick_atoms, lot_atoms, tick_lot_atoms) = (input.u64()?, input.u64()?, input.u64()?);
    let filters = Filters::read(input.take(FILTERS)?).map_err(|_| Broken("snapshot holds unsound filters".into()))?;
    let mut fees = Fees::default();
    for tier in &mut fees.standard {
        *tier = read_rates(input)?;
    }
    fees.special = read_rates(input)?;
    fees.tax = read_rates(input)?;
    let (state, update_id, last_price, trade_id) = (input.u8()?, input.u64()?, input.u64()?, input.u64()?);
    Ok(Market {
        symbol,
        base,
        quote,
        tick_atoms,
        lot_atoms,
        tick_lot_atoms,
        filters,
        fees,
        state,
        update_id,
        last_price,
        trade_id,
        prevented_id: 0,
        limited: None,
        fee_rows: [0; 2],
        is_watched: false,
    })
}

fn read_hash(input: &mut Reader) -> Read<RollingHash> {
    let mut lanes = *RollingHash::default().lanes();
    for lane in &mut lanes {
        *lane = input.u64()?;
    }
    let waiting: Vec<u64> = (0..input.u8()?).map(|_| input.u64()).collect::<Read<_>>()?;
    RollingHash::resume(lanes, &waiting).ok_or_else(|| Broken("snapshot holds an impossible event hash".into()))
}

fn read_rates(input: &mut Reader) -> Read<Rates> {
    Ok([input.u32()?, input.u32()?, input.u32()?, input.u32()?])
}
