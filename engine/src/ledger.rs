//! Accounts and balances. Every change of money goes through `Ledger`, which remembers each row that a command
//! touches and what it held before, so that the command's postings can be told, and must sum to zero, at its end.

use crate::event::Events;
use crate::index::{hash_pair, Index};
use crate::wire::*;

pub const NONE: u32 = u32::MAX;
/// System accounts, in the order of their classes from FEES on.
pub const FEES: u32 = 1;
pub const LOSS: u32 = 3;
pub const WITHDRAWAL_FEES: u32 = 6;
pub const FIRST_ACCOUNT: u32 = 1_001;
pub const ACCOUNTS_MAX: usize = 1 << 28;

/// What every order asks of an account, and no more: several of them share a cache line.
#[derive(Clone, Copy)]
pub struct Account {
    /// 0 for numbers that no account has.
    pub class: u8,
    pub tier: u8,
    pub permissions: u8,
    pub frozen: bool,
    pub stp_group: u32,
    /// Where the account placed its last order, and most likely places the next. Only a hint: not part of the state.
    pub recent_seat: u32,
}

/// Whose an account is, and where what belongs to it begins.
#[derive(Clone, Copy)]
pub struct Estate {
    pub owner: u64,
    pub first_row: u32,
    pub first_seat: u32,
    pub last_seat: u32,
}

impl Estate {
    pub const fn of(owner: u64) -> Self {
        Estate { owner, first_row: NONE, first_seat: NONE, last_seat: NONE }
    }
}

impl Account {
    const VACANT: Account = Account::new(0, 0, 0, 0);

    pub const fn new(class: u8, tier: u8, permissions: u8, stp_group: u32) -> Self {
        Account { class, tier, permissions, frozen: false, stp_group, recent_seat: NONE }
    }

    /// Whether it may place orders; if not, why.
    #[inline]
    pub fn check_may_trade(&self) -> Result<(), Status> {
        if self.class != class::USER && self.class != class::HOUSE {
            return Err(status::WRONG_ACCOUNT_CLASS);
        }
        if self.frozen {
            return Err(status::ACCOUNT_FROZEN);
        }
        if !self.may(permission::TRADE) {
            return Err(status::ACCOUNT_MAY_NOT);
        }
        Ok(())
    }

    #[inline]
    pub fn may(&self, permission: u8) -> bool {
        self.permissions & permission != 0
    }
}

#[derive(Clone, Copy)]
pub struct Row {
    pub available: Atoms,
    pub held: Atoms,
    pub account: u32,
    pub asset: u32,
    next_of_account: u32,
    /// The sequence of the last command that touched the row.
    touched: u64,
}

impl Row {
    #[inline(always)]
    fn hold(&mut self, amount: Atoms) {
        self.available -= amount;
        self.held += amount;
        debug_assert!(self.available >= 0 && self.held >= 0);
    }

    #[inline(always)]
    fn release(&mut self, amount: Atoms) {
        self.held -= amount;
        self.available += amount;
        debug_assert!(self.held >= 0);
    }
}

/// A row that the command under way has touched, and what it held before.
#[derive(Clone, Copy)]
struct Touched {
    row: u32,
    available: Atoms,
    held: Atoms,
}

/// The rows while several of them change. Each is remembered when it is touched first; that is its place among the
/// BALANCE events.
pub struct OpenRows<'a> {
    rows: &'a mut [Row],
    touched: &'a mut Vec<Touched>,
    command: u64,
}

impl OpenRows<'_> {
    #[inline(always)]
    fn touch(&mut self, row: u32) -> &mut Row {
        let found = &mut self.rows[row as usize];
        if found.touched != self.command {
            found.touched = self.command;
            self.touched.push(Touched { row, available: found.available, held: found.held });
        }
        found
    }

    /// `held` is used up: `paid` of it leaves the account, the rest is available again (price improvement).
    #[inline(always)]
    pub fn pay(&mut self, row: u32, held: Atoms, paid: Atoms) {
        let row = self.touch(row);
        row.held -= held;
        row.available += held - paid;
        debug_assert!(row.held >= 0 && paid <= held);
    }

    #[inline(always)]
    pub fn receive(&mut self, row: u32, amount: Atoms) {
        self.touch(row).available += amount;
    }
}

pub struct Ledger {
    pub accounts: Vec<Account>,
    /// Of the same accounts.
    pub estates: Vec<Estate>,
    pub rows: Vec<Row>,
    pub(crate) index: Index,
    touched: Vec<Touched>,
    /// What the command under way has posted, by asset: all zero before and after.
    sums: Vec<Atoms>,
    command: u64,
}

impl Ledger {
    pub fn new() -> Self {
        let mut accounts = vec![Account::VACANT; FIRST_ACCOUNT as usize];
        for (at, class) in (class::FEES..=class::WITHDRAWAL_FEES).enumerate() {
            let id = at + 1;
            accounts[id] = Account::new(class, 0, 7, id as u32);
        }
        Ledger {
            accounts,
            estates: vec![Estate::of(0); FIRST_ACCOUNT as usize],
            rows: Vec::new(),
            index: Index::default(),
            touched: Vec::new(),
            sums: Vec::new(),
            command: 0,
        }
    }

    /// Adds an account at the next number.
    pub fn add_account(&mut self, account: Account, owner: u64) {
        self.accounts.push(account);
        self.estates.push(Estate::of(owner));
    }

    #[inline]
    pub fn account(&self, id: u32) -> Option<&Account> {
        self.accounts.get(id as usize).filter(|account| account.class != 0)
    }

    /// The account, if it may place orders; if not, why.
    #[inline]
    pub fn account_to_trade(&self, id: u32) -> Result<&Account, Status> {
        let account = self.account(id).ok_or(status::UNKNOWN_ACCOUNT)?;
        account.check_may_trade()?;
        Ok(account)
    }

    #[inline]
    pub fn find(&self, account: u32, asset: u32) -> Option<u32> {
        self.index.find(hash_pair(account, asset), |row| {
            let row = &self.rows[row as usize];
            row.account == account && row.asset == asset
        })
    }

    /// The row of (account, asset), made when it is missing. Both must exist.
    pub fn row(&mut self, account: u32, asset: u32) -> u32 {
        self.find(account, asset).unwrap_or_else(|| self.add_row(account, asset, 0, 0))
    }

    pub fn add_row(&mut self, account: u32, asset: u32, available: Atoms, held: Atoms) -> u32 {
        let row = self.rows.len() as u32;
        let estate = &mut self.estates[account as usize];
        self.rows.push(Row { available, held, account, asset, next_of_account: estate.first_row, touched: 0 });
        estate.first_row = row;
        self.sums.resize(self.sums.len().max(asset as usize + 1), 0);
        self.index.insert(hash_pair(account, asset), row);
        row
    }

    #[inline]
    pub fn available(&self, account: u32, asset: u32) -> Atoms {
        self.find(account, asset).map_or(0, |row| self.rows[row as usize].available)
    }

    /// Available and held.
    pub fn total(&self, account: u32, asset: u32) -> Atoms {
        self.find(account, asset).map_or(0, |row| self.rows[row as usize].available + self.rows[row as usize].held)
    }

    pub fn rows_of(&self, account: u32) -> Vec<&Row> {
        let mut rows = Vec::new();
        let mut at = self.estates.get(account as usize).map_or(NONE, |estate| estate.first_row);
        while at != NONE {
            rows.push(&self.rows[at as usize]);
            at = self.rows[at as usize].next_of_account;
        }
        rows
    }

    #[inline]
    pub fn begin_command(&mut self, sequence: u64) {
        self.command = sequence;
    }

    /// The rows, for several changes in a row.
    #[inline(always)]
    pub fn open_rows(&mut self) -> OpenRows<'_> {
        OpenRows { rows: &mut self.rows, touched: &mut self.touched, command: self.command }
    }

    /// Moves `amount` from available to held, or back if it is negative; it must be there.
    #[inline]
    pub fn hold(&mut self, row: u32, amount: Atoms) {
        self.open_rows().touch(row).hold(amount);
    }

    #[inline]
    pub fn release(&mut self, row: u32, amount: Atoms) {
        self.open_rows().touch(row).release(amount);
    }

    /// `hold` as the last change that a command makes to balances. When it is the first as well, the row is given back to
    /// be told at once, without the bookkeeping that finds out at the end what changed; nothing is posted, so there is
    /// nothing to sum.
    #[inline(always)]
    pub fn hold_last(&mut self, row: u32, amount: Atoms) -> Option<&Row> {
        if !self.touched.is_empty() {
            self.hold(row, amount);
            return None;
        }
        let row = &mut self.rows[row as usize];
        row.hold(amount);
        Some(row)
    }

    /// `release` as the last change, in the same way.
    #[inline(always)]
    pub fn release_last(&mut self, row: u32, amount: Atoms) -> Option<&Row> {
        if !self.touched.is_empty() {
            self.release(row, amount);
            return None;
        }
        let row = &mut self.rows[row as usize];
        row.release(amount);
        Some(row)
    }

    #[inline]
    pub fn pay(&mut self, row: u32, held: Atoms, paid: Atoms) {
        self.open_rows().pay(row, held, paid);
    }

    #[inline]
    pub fn receive(&mut self, row: u32, amount: Atoms) {
        self.open_rows().receive(row, amount);
    }

    /// Emits one BALANCE for each row that changed and checks that the command's postings sum to zero per asset.
    ///
    /// Panics if they do not: money was made or lost, and nothing may be built on that.
    #[inline]
    pub fn end_command(&mut self, events: &mut Events) {
        if !self.touched.is_empty() {
            self.tell_touched(events);
        }
    }

    #[inline(never)]
    fn tell_touched(&mut self, events: &mut Events) {
        let (rows, sums) = (&self.rows[..], &mut self.sums[..]);
        let mut uneven = 0; // assets in which the postings so far do not sum to zero
        for touched in &self.touched {
            let row = &rows[touched.row as usize];
            let freed = row.available - touched.available;
            let posting = freed + (row.held - touched.held);
            if posting != 0 {
                events.balance_posted(row, posting);
                let sum = &mut sums[row.asset as usize];
                uneven -= (*sum != 0) as i64;
                *sum += posting;
                uneven += (*sum != 0) as i64;
            } else if freed != 0 {
                events.balance_held(row);
            }
        }
        assert!(uneven == 0, "postings do not sum to zero");
        self.touched.clear();
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}
