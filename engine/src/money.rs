//! Money that enters, leaves or moves without a trade. Each command carries a reference and counts once.

use crate::admin::repeat_of;
use crate::command::{self, Header, Money};
use crate::engine::{Engine, Hold};
use crate::event::Outcome;
use crate::ledger::LOSS;
use crate::reference::{content, digest, Reference};
use crate::wire::*;

/// Room above any single amount, so that balances never come near the end of their range.
pub(crate) const BALANCE_LIMIT: Atoms = 1 << 120;

impl Engine {
    pub(crate) fn money(&mut self, header: &Header, bytes: &[u8]) -> Result<Outcome, Status> {
        let money = command::money(bytes, header.flags)?;
        check_amounts(header.kind, &money)?;
        let class = self.ledger.account(header.account).ok_or(status::UNKNOWN_ACCOUNT)?.class;
        let asset_state = self.asset(header.market).ok_or(status::UNKNOWN_ASSET)?.state;
        let own = digest(b"", money.reference);
        let content = content(bytes);
        if let Some(first) = self.references.find(own) {
            return repeat_of(first, content);
        }
        if header.kind == kind::HOLD && asset_state == asset_state::SUSPENDED {
            self.check_hold(header, class)?;
            return Err(status::ASSET_SUSPENDED);
        }
        match header.kind {
            kind::CREDIT => self.credit(header, &money, class)?,
            kind::REVERSE => self.reverse(header, &money, class)?,
            kind::HOLD => self.hold(header, &money, class, own)?,
            kind::SETTLE => self.settle(header, &money)?,
            kind::RELEASE => self.release_hold(header, &money)?,
            kind::MOVE => self.move_between(header, &money, class)?,
            _ => self.correct(header, &money, class)?,
        }
        self.references.add(Reference { digest: own, content, value: self.sequence });
        Ok(Outcome::ok(self.sequence))
    }

    fn counter_class(&self, money: &Money) -> Result<u8, Status> {
        self.ledger.account(money.counter).map(|account| account.class).ok_or(status::UNKNOWN_ACCOUNT)
    }

    /// Posts `amount` from one account to another. The caller has checked that the payer may.
    fn post(&mut self, asset: u32, from: u32, to: u32, amount: Atoms) {
        let (from, to) = (self.ledger.row(from, asset), self.ledger.row(to, asset));
        self.ledger.receive(from, -amount);
        self.ledger.receive(to, amount);
    }

    fn has_room(&self, account: u32, asset: u32, amount: Atoms) -> bool {
        self.ledger.available(account, asset).abs() + amount < BALANCE_LIMIT
    }

    fn credit(&mut self, header: &Header, money: &Money, class: u8) -> Result<(), Status> {
        let counter = self.counter_class(money)?;
        if counter != class::MIRROR || !matches!(class, class::USER | class::HOUSE | class::SUSPENSE) {
            return Err(status::WRONG_ACCOUNT_CLASS);
        }
        let asset = header.market;
        if !self.has_room(header.account, asset, money.amount) || !self.has_room(money.counter, asset, money.amount) {
            return Err(status::BAD_AMOUNT);
        }
        self.post(asset, money.counter, header.account, money.amount);
        Ok(())
    }

    /// Undoes a credit: the account gives what it has, the loss account the rest, and the account is frozen.
    fn reverse(&mut self, header: &Header, money: &Money, class: u8) -> Result<(), Status> {
        let counter = self.counter_class(money)?;
        if counter != class::MIRROR || class == class::MIRROR {
            return Err(status::WRONG_ACCOUNT_CLASS);
        }
        let credited = self.references.find(digest(b"", money.origin)).ok_or(status::UNKNOWN_REFERENCE)?;
        if credited.content != content(&credit_command(header, money)) {
            return Err(status::UNKNOWN_REFERENCE);
        }
        let mark = digest(b"reversed", money.origin);
        if self.references.find(mark).is_some() {
            return Err(status::ALREADY_ENDED);
        }
        let asset = header.market;
        let given = self.ledger.available(header.account, asset).clamp(0, money.amount);
        if given > 0 {
            self.post(asset, header.account, money.counter, given);
        }
        if given < money.amount {
            self.post(asset, LOSS, money.counter, money.amount - given);
        }
        self.references.add(Reference { digest: mark, content: 0, value: self.sequence });
        if class == class::USER || class == class::HOUSE {
            let account = &mut self.ledger.accounts[header.account as usize];
            account.frozen = true;
            self.events.account(header.account, account, self.ledger.estates[header.account as usize].owner);
        }
        Ok(())
    }

    fn check_hold(&self, header: &Header, class: u8) -> Result<(), Status> {
        if class != class::USER && class != class::HOUSE {
            return Err(status::WRONG_ACCOUNT_CLASS);
        }
        let account = &self.ledger.accounts[header.account as usize];
        if account.frozen {
            return Err(status::ACCOUNT_FROZEN);
        }
        if !account.may(permission::WITHDRAW) {
            return Err(status::ACCOUNT_MAY_NOT);
        }
        Ok(())
    }

    fn hold(&mut self, header: &Header, money: &Money, class: u8, own: u128) -> Result<(), Status> {
        self.check_hold(header, class)?;
        if self.ledger.available(header.account, header.market) < money.amount {
            return Err(status::INSUFFICIENT_BALANCE);
        }
        let row = self.ledger.row(header.account, header.market);
        self.ledger.hold(row, money.amount);
        let hold = Hold { account: header.account, asset: header.market, amount: money.amount };
        self.holds.insert(own, hold);
        self.events.hold(hold_tag::HELD, header.market, header.account, money.amount, own);
        Ok(())
    }

    /// The open hold that a SETTLE or RELEASE names, if it is of this account and asset.
    fn open_hold(&self, header: &Header, money: &Money) -> Result<(u128, Atoms), Status> {
        let key = digest(b"", money.origin);
        match self.holds.get(&key) {
            Some(hold) if hold.account == header.account && hold.asset == header.market => Ok((key, hold.amount)),
            Some(_) => Err(status::UNKNOWN_REFERENCE),
            None if self.references.find(key).is_some() => Err(status::ALREADY_ENDED),
            None => Err(status::UNKNOWN_REFERENCE),
        }
    }

    fn settle(&mut self, header: &Header, money: &Money) -> Result<(), Status> {
        if self.counter_class(money)? != class::MIRROR {
            return Err(status::WRONG_ACCOUNT_CLASS);
        }
        if money.fee > 0 {
            let fee_class = self.ledger.account(money.fee_account).ok_or(status::UNKNOWN_ACCOUNT)?.class;
            if !matches!(fee_class, class::FEES | class::HOUSE | class::WITHDRAWAL_FEES) {
                return Err(status::WRONG_ACCOUNT_CLASS);
            }
        }
        let (key, amount) = self.open_hold(header, money)?;
        if money.amount + money.fee != amount {
            return Err(status::BAD_AMOUNT);
        }
        let asset = header.market;
        let row = self.ledger.row(header.account, asset);
        self.ledger.pay(row, amount, amount);
        let counter = self.ledger.row(money.counter, asset);
        self.ledger.receive(counter, money.amount);
        if money.fee > 0 {
            let fees = self.ledger.row(money.fee_account, asset);
            self.ledger.receive(fees, money.fee);
        }
        self.end_hold(key, hold_tag::SETTLED);
        Ok(())
    }

    fn release_hold(&mut self, header: &Header, money: &Money) -> Result<(), Status> {
        let (key, amount) = self.open_hold(header, money)?;
        let row = self.ledger.row(header.account, header.market);
        self.ledger.release(row, amount);
        self.end_hold(key, hold_tag::RELEASED);
        Ok(())
    }

    fn end_hold(&mut self, key: u128, tag: u8) {
        let hold = self.holds.remove(&key).expect("the hold is open");
        self.events.hold(tag, hold.asset, hold.account, hold.amount, key);
    }

    fn move_between(&mut self, header: &Header, money: &Money, class: u8) -> Result<(), Status> {
        let counter = self.counter_class(money)?;
        if class == class::MIRROR || counter == class::MIRROR || header.account == money.counter {
            return Err(status::WRONG_ACCOUNT_CLASS);
        }
        if self.ledger.accounts[header.account as usize].frozen {
            return Err(status::ACCOUNT_FROZEN);
        }
        self.transfer(header, money, class)
    }

    fn correct(&mut self, header: &Header, money: &Money, class: u8) -> Result<(), Status> {
        self.counter_class(money)?;
        if header.account == money.counter {
            return Err(status::WRONG_ACCOUNT_CLASS);
        }
        self.transfer(header, money, class)
    }

    fn transfer(&mut self, header: &Header, money: &Money, class: u8) -> Result<(), Status> {
        let asset = header.market;
        let may_owe = class == class::MIRROR || class == class::LOSS;
        if !may_owe && self.ledger.available(header.account, asset) < money.amount {
            return Err(status::INSUFFICIENT_BALANCE);
        }
        if !self.has_room(header.account, asset, money.amount) || !self.has_room(money.counter, asset, money.amount) {
            return Err(status::BAD_AMOUNT);
        }
        self.post(asset, header.account, money.counter, money.amount);
        Ok(())
    }
}

fn check_amounts(kind: u8, money: &Money) -> Result<(), Status> {
    let amount_is_sound = match kind {
        kind::RELEASE => money.amount == 0,
        _ => money.amount > 0 && money.amount < AMOUNT_LIMIT,
    };
    let fee_is_sound = if kind == kind::SETTLE { money.fee < AMOUNT_LIMIT } else { money.fee == 0 };
    if amount_is_sound && fee_is_sound {
        Ok(())
    } else {
        Err(status::BAD_AMOUNT)
    }
}

/// The CREDIT that a REVERSE says it undoes, as it must have been written.
fn credit_command(header: &Header, money: &Money) -> Vec<u8> {
    let length = 72 + padded(money.origin.len());
    let mut bytes = vec![0; length];
    bytes[0..2].copy_from_slice(&(length as u16).to_le_bytes());
    bytes[2] = kind::CREDIT;
    bytes[16..20].copy_from_slice(&header.account.to_le_bytes());
    bytes[20..24].copy_from_slice(&header.market.to_le_bytes());
    bytes[24..28].copy_from_slice(&money.counter.to_le_bytes());
    bytes[32] = money.origin.len() as u8;
    bytes[40..56].copy_from_slice(&money.amount.to_le_bytes());
    bytes[72..72 + money.origin.len()].copy_from_slice(money.origin);
    bytes
}
