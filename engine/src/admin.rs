//! Accounts, assets and markets: created and changed by commands, at run time.

use crate::command::{self, Header};
use crate::deadlines::pause_of;
use crate::engine::Engine;
use crate::event::Outcome;
use crate::ledger::{Account, ACCOUNTS_MAX, FEES};
use crate::limits::{Limited, Limits};
use crate::market::{filters_are_sound, tick_lot_atoms, Asset, Fees, Market};
use crate::reference::{content, digest, Reference};
use crate::wire::*;

const ASSETS_MAX: usize = 65_536;
const MARKETS_MAX: usize = 65_536;

impl Engine {
    pub(crate) fn account_create(&mut self, bytes: &[u8]) -> Result<Outcome, Status> {
        let wanted = command::account_create(bytes, bytes[3])?;
        let (digest, content) = (digest(b"", wanted.reference), content(bytes));
        if let Some(first) = self.references.find(digest) {
            return repeat_of(first, content);
        }
        let id = self.ledger.accounts.len();
        if id >= ACCOUNTS_MAX {
            return Err(status::LIMIT_REACHED);
        }
        let id = id as u32;
        let group = if wanted.stp_group == 0 { id } else { wanted.stp_group };
        let account = Account::new(wanted.class, wanted.tier, wanted.permissions, group);
        self.ledger.add_account(account, wanted.owner);
        self.references.add(Reference { digest, content, value: id as u64 });
        self.events.account(id, &account, wanted.owner);
        Ok(Outcome::ok(id as u64))
    }

    pub(crate) fn account_set(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let (tier, permissions, group) = command::account_set(bytes, header.flags)?;
        self.change_account(header, |account| {
            account.tier = tier;
            account.permissions = permissions;
            account.stp_group = if group == 0 { header.account } else { group };
        })
    }

    pub(crate) fn account_freeze(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let frozen = command::code(bytes, header.flags)?;
        if frozen > 1 {
            return Err(status::MALFORMED);
        }
        self.change_account(header, |account| account.frozen = frozen == 1)
    }

    fn change_account(&mut self, header: &Header, change: impl FnOnce(&mut Account)) -> Result<Outcome, Status> {
        let account = self.ledger.account(header.account).ok_or(status::UNKNOWN_ACCOUNT)?;
        if account.class != class::USER && account.class != class::HOUSE {
            return Err(status::WRONG_ACCOUNT_CLASS);
        }
        let mut account = *account;
        change(&mut account);
        self.ledger.accounts[header.account as usize] = account;
        self.events.account(header.account, &account, self.ledger.estates[header.account as usize].owner);
        Ok(Outcome::ok(header.account as u64))
    }

    pub(crate) fn asset_list(&mut self, bytes: &[u8]) -> Result<Outcome, Status> {
        let (scale, name) = command::asset_list(bytes, bytes[3])?;
        let name = String::from_utf8(name.to_vec()).map_err(|_| status::MALFORMED)?;
        if self.assets.iter().any(|asset| asset.name == name) {
            return Err(status::ALREADY_LISTED);
        }
        if self.assets.len() == ASSETS_MAX {
            return Err(status::LIMIT_REACHED);
        }
        self.assets.push(Asset { name, scale, state: asset_state::ACTIVE });
        let id = self.assets.len() as u32;
        self.events.asset(id, &self.assets[id as usize - 1]);
        Ok(Outcome::ok(id as u64))
    }

    pub(crate) fn asset_state(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let state = command::code(bytes, header.flags)?;
        let at = (header.market as usize).wrapping_sub(1);
        let asset = self.assets.get_mut(at).ok_or(status::UNKNOWN_ASSET)?;
        if state != asset_state::ACTIVE && state != asset_state::SUSPENDED {
            return Err(status::BAD_STATE);
        }
        asset.state = state;
        self.events.asset(header.market, asset);
        Ok(Outcome::ok(header.market as u64))
    }

    pub(crate) fn market_list(&mut self, bytes: &[u8]) -> Result<Outcome, Status> {
        let wanted = command::market_list(bytes, bytes[3])?;
        let base_scale = self.asset(wanted.base).ok_or(status::UNKNOWN_ASSET)?.scale;
        self.asset(wanted.quote).ok_or(status::UNKNOWN_ASSET)?;
        let symbol = String::from_utf8(wanted.symbol.to_vec()).map_err(|_| status::MALFORMED)?;
        if self.markets.iter().any(|market| market.symbol == symbol) {
            return Err(status::ALREADY_LISTED);
        }
        if self.markets.len() == MARKETS_MAX {
            return Err(status::LIMIT_REACHED);
        }
        let tick_lot_atoms = tick_lot_atoms(wanted.tick_atoms, wanted.lot_atoms, base_scale);
        let tick_lot_atoms = tick_lot_atoms.filter(|_| wanted.base != wanted.quote).ok_or(status::BAD_LISTING)?;
        if !filters_are_sound(&wanted.filters, tick_lot_atoms, wanted.lot_atoms) {
            return Err(status::BAD_FILTERS);
        }
        if wanted.state == market_state::DELISTED || !self.may_be_state(wanted.state) {
            return Err(status::BAD_STATE);
        }
        let fee_rows = [self.ledger.row(FEES, wanted.base), self.ledger.row(FEES, wanted.quote)];
        self.markets.push(Market {
            symbol,
            base: wanted.base,
            quote: wanted.quote,
            tick_atoms: wanted.tick_atoms,
            lot_atoms: wanted.lot_atoms,
            tick_lot_atoms,
            filters: wanted.filters,
            fees: Fees::default(),
            state: wanted.state,
            update_id: 0,
            last_price: 0,
            trade_id: 0,
            prevented_id: 0,
            limited: None,
            fee_rows,
            is_watched: false,
        });
        self.book.add_market();
        let id = self.markets.len() as u32;
        self.events.market(id, &self.markets[id as usize - 1]);
        Ok(Outcome::ok(id as u64))
    }

    fn market_index(&self, header: &Header) -> Result<usize, Status> {
        self.market(header.market).map(|_| header.market as usize - 1).ok_or(status::UNKNOWN_MARKET)
    }

    pub(crate) fn market_state(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let state = command::code(bytes, header.flags)?;
        let at = self.market_index(header)?;
        let is_empty = |side| self.book.side(header.market, side).lots == 0;
        let is_empty = is_empty(side::BUY) && is_empty(side::SELL);
        let known = self.may_be_state(state);
        let is_final = self.markets[at].state == market_state::DELISTED;
        if !known || is_final || (state == market_state::DELISTED && !is_empty) {
            return Err(status::BAD_STATE);
        }
        self.deadlines.end(pause_of(header.market));
        self.set_state(header.market, state);
        Ok(Outcome::ok(header.market as u64))
    }

    /// Whether an operator may put a market in this state. PAUSED is what a market does by itself.
    fn may_be_state(&self, state: u8) -> bool {
        let is_old = (market_state::TRADING..=market_state::DELISTED).contains(&state);
        is_old || (self.rules >= 2 && matches!(state, market_state::PRE_OPEN | market_state::POST_ONLY))
    }

    pub(crate) fn set_state(&mut self, market: u32, state: u8) {
        let at = place_of(market);
        self.markets[at].state = state;
        self.events.market(market, &self.markets[at]);
        if state == market_state::TRADING {
            self.resume_triggers(market);
        }
    }

    pub(crate) fn market_limits(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let limits: Limits = command::market_limits(bytes, header.flags)?;
        let at = self.market_index(header)?;
        if !limits.are_sound() {
            return Err(status::BAD_LIMITS);
        }
        self.markets[at].limited = Limited::new(limits);
        self.events.limits(header.market, &limits);
        Ok(Outcome::ok(header.market as u64))
    }

    pub(crate) fn market_filters(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let filters = command::market_filters(bytes, header.flags)?;
        let at = self.market_index(header)?;
        let market = &mut self.markets[at];
        if !filters_are_sound(&filters, market.tick_lot_atoms, market.lot_atoms) {
            return Err(status::BAD_FILTERS);
        }
        market.filters = filters;
        self.events.market(header.market, market);
        Ok(Outcome::ok(header.market as u64))
    }

    pub(crate) fn market_fees(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let (component, tier, rates) = command::market_fees(bytes, header.flags)?;
        let at = self.market_index(header)?;
        let fees = &mut self.markets[at].fees;
        let place = match component {
            fee_component::STANDARD => &mut fees.standard[tier as usize],
            fee_component::SPECIAL => &mut fees.special,
            _ => &mut fees.tax,
        };
        let before = std::mem::replace(place, rates);
        if !fees.are_bounded() {
            match component {
                fee_component::STANDARD => fees.standard[tier as usize] = before,
                fee_component::SPECIAL => fees.special = before,
                _ => fees.tax = before,
            }
            return Err(status::BAD_FEES);
        }
        self.events.fees(header.market, component, tier, &rates);
        Ok(Outcome::ok(header.market as u64))
    }
}

/// The answer to a reference that was used before.
pub(crate) fn repeat_of(first: &Reference, content: u64) -> Result<Outcome, Status> {
    if first.content != content {
        return Err(status::REFERENCE_CONFLICT);
    }
    Ok(Outcome::ok(first.value).repeated())
}
