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

#[derive(Clone, Copy)]
pub struct Account {
    /// 0 for numbers that no account has.
    pub class: u8,
    pub tier: u8,
    pub permissions: u8,
    pub frozen: bool,
    pub stp_group: u32,
    pub owner: u64,
    pub first_row: u32,
    pub first_seat: u32,
    pub last_seat: u32,
    /// Where the account placed its last order, and most likely places the next. Only a hint: not part of the state.
    pub recent_seat: u32,
}

impl Account {
    const VACANT: Account = Account::new(0, 0, 0, 0, 0);

    pub const fn new(class: u8, tier: u8, permissions: u8, stp_group: u32, owner: u64) -> Self {
        Account {
            class,
            tier,
            permissions,
            frozen: false,
            stp_group,
            owner,
            first_row: NONE,
            first_seat: NONE,
            last_seat: NONE,
            recent_seat: NONE,
        }
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

struct Touched {
    row: u32,
    available: Atoms,
    /// Available and held.
    total: Atoms,
}

pub struct Ledger {
    pub accounts: Vec<Account>,
    pub rows: Vec<Row>,
    index: Index,
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
            accounts[id] = Account::new(class, 0, 7, id as u32, 0);
        }
        Ledger {
            accounts,
            rows: Vec::new(),
            index: Index::default(),
            touched: Vec::new(),
            sums: Vec::new(),
            command: 0,
        }
    }

    #[inline]
    pub fn account(&self, id: u32) -> Option<&Account> {
        self.accounts.get(id as usize).filter(|account| account.class != 0)
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
        let owner = &mut self.accounts[account as usize];
        self.rows.push(Row { available, held, account, asset, next_of_account: owner.first_row, touched: 0 });
        owner.first_row = row;
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
        let mut at = self.account(account).map_or(NONE, |account| account.first_row);
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

    /// Marks a row as part of this command; its place among the BALANCE events is that of its first touch.
    #[inline]
    pub fn touch(&mut self, row: u32) -> &mut Row {
        let found = &mut self.rows[row as usize];
        if found.touched != self.command {
            found.touched = self.command;
            let total = found.available + found.held;
            self.touched.push(Touched { row, available: found.available, total });
        }
        found
    }

    /// Moves `amount` from available to held, or back if it is negative; it must be there.
    #[inline]
    pub fn hold(&mut self, row: u32, amount: Atoms) {
        let row = self.touch(row);
        row.available -= amount;
        row.held += amount;
        debug_assert!(row.available >= 0 && row.held >= 0);
    }

    /// The last change that a command makes to balances: a hold or, negative, a release. When it is the first as well,
    /// the row is given back to be told at once, without the bookkeeping that finds out at the end what changed; nothing
    /// is posted, so there is nothing to sum.
    #[inline(always)]
    pub fn hold_last(&mut self, row: u32, amount: Atoms) -> Option<&Row> {
        if !self.touched.is_empty() {
            self.hold(row, amount);
            return None;
        }
        let row = &mut self.rows[row as usize];
        row.available -= amount;
        row.held += amount;
        debug_assert!(amount != 0 && row.available >= 0 && row.held >= 0);
        Some(row)
    }

    #[inline]
    pub fn release(&mut self, row: u32, amount: Atoms) {
        let row = self.touch(row);
        row.held -= amount;
        row.available += amount;
        debug_assert!(row.held >= 0);
    }

    /// `held` is used up: `paid` of it leaves the account, the rest is available again (price improvement).
    #[inline]
    pub fn pay(&mut self, row: u32, held: Atoms, paid: Atoms) {
        let row = self.touch(row);
        row.held -= held;
        row.available += held - paid;
        debug_assert!(row.held >= 0 && paid <= held);
    }

    #[inline]
    pub fn receive(&mut self, row: u32, amount: Atoms) {
        self.touch(row).available += amount;
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
        for touched in &self.touched {
            let row = &self.rows[touched.row as usize];
            let posting = row.available + row.held - touched.total;
            if posting != 0 {
                events.balance_posted(row, posting);
                self.sums[row.asset as usize] += posting;
            } else if row.available != touched.available {
                events.balance_held(row);
            }
        }
        let sum_of = |touched: &Touched| self.sums[self.rows[touched.row as usize].asset as usize];
        assert!(self.touched.iter().all(|touched| sum_of(touched) == 0), "postings do not sum to zero");
        self.touched.clear();
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}
