//! The newest closed orders and trades, kept in memory: the first consumer of the events.
//!
//! It reads nothing but event bytes, so what it holds can be rebuilt from the log at any time. Known limit: what is
//! older than its capacity is forgotten here.

use std::collections::{BTreeMap, VecDeque};

use crate::engine::Broken;
use crate::event::RESULT;
use crate::snapshot::{Reader, Writer};
use crate::wire::*;

const MAGIC: &[u8; 8] = b"CAMBHIS1";

#[derive(Clone)]
pub struct ClosedOrder {
    pub id: u64,
    pub account: u32,
    pub market: u32,
    pub side: u8,
    pub order_type: u8,
    pub time_in_force: u8,
    pub stp: u8,
    pub reason: u8,
    pub by_quote: bool,
    pub price: Ticks,
    pub quantity: Lots,
    pub executed: Lots,
    pub executed_quote: Atoms,
    pub accepted_ns: i64,
    pub closed_ns: i64,
    pub client_id: Box<[u8]>,
}

/// A trade as everybody may see it.
#[derive(Clone)]
pub struct Trade {
    pub id: u64,
    pub market: u32,
    pub taker_side: u8,
    pub price: Ticks,
    pub quantity: Lots,
    pub quote: Atoms,
    pub time_ns: i64,
    pub maker_order: u64,
    pub taker_order: u64,
}

/// A trade as one of its sides sees it.
#[derive(Clone)]
pub struct AccountTrade {
    pub id: u64,
    pub market: u32,
    pub side: u8,
    pub is_maker: bool,
    pub order_id: u64,
    pub price: Ticks,
    pub quantity: Lots,
    pub quote: Atoms,
    pub fee: Atoms,
    pub time_ns: i64,
}

/// Which of an account's trades to return. Times are inclusive.
#[derive(Default)]
pub struct TradeQuery {
    pub market: u32,
    pub limit: usize,
    pub from_id: Option<u64>,
    pub order_id: Option<u64>,
    pub start_ns: Option<i64>,
    pub end_ns: Option<i64>,
}

impl TradeQuery {
    fn wants(&self, trade: &AccountTrade) -> bool {
        trade.market == self.market
            && self.from_id.is_none_or(|id| trade.id >= id)
            && self.order_id.is_none_or(|id| trade.order_id == id)
            && self.start_ns.is_none_or(|start| trade.time_ns >= start)
            && self.end_ns.is_none_or(|end| trade.time_ns <= end)
    }
}

#[derive(Clone, Copy)]
pub struct Capacity {
    pub orders_per_account: usize,
    pub trades_per_account: usize,
    pub trades_per_market: usize,
}

#[derive(Default)]
struct AccountHistory {
    orders: VecDeque<ClosedOrder>,
    trades: VecDeque<AccountTrade>,
}

pub struct History {
    capacity: Capacity,
    accounts: BTreeMap<u32, AccountHistory>,
    markets: BTreeMap<u32, VecDeque<Trade>>,
}

fn push<T>(queue: &mut VecDeque<T>, capacity: usize, value: T) {
    if capacity == 0 {
        return;
    }
    if queue.len() == capacity {
        queue.pop_front();
    }
    queue.push_back(value);
}

impl History {
    pub fn new(capacity: Capacity) -> Self {
        History { capacity, accounts: BTreeMap::new(), markets: BTreeMap::new() }
    }

    /// Takes in the output of one `Engine::apply`.
    pub fn apply(&mut self, events: &[u8]) -> Result<(), Broken> {
        let (mut at, mut time_ns) = (0, 0);
        while at < events.len() {
            let length = if events.len() - at < 8 { 0 } else { u16_at(events, at) as usize };
            if length < 8 || at + length > events.len() {
                return Err(Broken(format!("event at byte {at} says a length that does not fit")));
            }
            let record = &events[at..at + length];
            match record[2] {
                event::RESULT if length == RESULT => time_ns = i64_at(record, 32),
                event::TRADE => self.add_trade(record, time_ns),
                event::ORDER_CLOSED => self.add_order(record, time_ns),
                _ => {}
            }
            at += length;
        }
        Ok(())
    }

    fn add_trade(&mut self, record: &[u8], time_ns: i64) {
        let trade = Trade {
            id: u64_at(record, 8),
            market: u32_at(record, 4),
            taker_side: record[3] & 1,
            price: u64_at(record, 16),
            quantity: u64_at(record, 24),
            quote: u128_at(record, 56) as Atoms,
            time_ns,
            maker_order: u64_at(record, 32),
            taker_order: u64_at(record, 40),
        };
        let (maker, taker) = (u32_at(record, 48), u32_at(record, 52));
        let (maker_fee, taker_fee) = (u128_at(record, 72) as Atoms, u128_at(record, 88) as Atoms);
        for (account, is_maker, fee) in [(maker, true, maker_fee), (taker, false, taker_fee)] {
            let seen = AccountTrade {
                id: trade.id,
                market: trade.market,
                side: trade.taker_side ^ is_maker as u8,
                is_maker,
                order_id: if is_maker { trade.maker_order } else { trade.taker_order },
                price: trade.price,
                quantity: trade.quantity,
                quote: trade.quote,
                fee,
                time_ns,
            };
            push(&mut self.accounts.entry(account).or_default().trades, self.capacity.trades_per_account, seen);
        }
        push(self.markets.entry(trade.market).or_default(), self.capacity.trades_per_market, trade);
    }

    fn add_order(&mut self, record: &[u8], closed_ns: i64) {
        let order = ClosedOrder {
            id: u64_at(record, 8),
            account: u32_at(record, 16),
            market: u32_at(record, 4),
            side: record[3] & 1,
            order_type: record[20],
            time_in_force: record[21],
            stp: record[22],
            reason: record[23],
            by_quote: record[74] == 1,
            price: u64_at(record, 24),
            quantity: u64_at(record, 32),
            executed: u64_at(record, 40),
            executed_quote: u128_at(record, 48) as Atoms,
            accepted_ns: i64_at(record, 64),
            closed_ns,
            client_id: record[80..80 + record[72] as usize].into(),
        };
        push(&mut self.accounts.entry(order.account).or_default().orders, self.capacity.orders_per_account, order);
    }

    fn orders_of(&self, account: u32) -> impl Iterator<Item = &ClosedOrder> {
        self.accounts.get(&account).into_iter().flat_map(|history| history.orders.iter().rev())
    }

    pub fn order(&self, account: u32, order_id: u64) -> Option<&ClosedOrder> {
        self.orders_of(account).find(|order| order.id == order_id)
    }

    /// The newest closed order with this client id; older ones may have used it before.
    pub fn order_by_client_id(&self, account: u32, market: u32, client_id: &[u8]) -> Option<&ClosedOrder> {
        self.orders_of(account).find(|order| order.market == market && *order.client_id == *client_id)
    }

    /// Oldest first. With `from_id` the first `limit` from there on, else the newest `limit`.
    pub fn account_trades(&self, account: u32, query: &TradeQuery) -> Vec<&AccountTrade> {
        let Some(history) = self.accounts.get(&account) else { return Vec::new() };
        let wanted = history.trades.iter().filter(|trade| query.wants(trade));
        if query.from_id.is_some() || query.start_ns.is_some() {
            return wanted.take(query.limit).collect();
        }
        let mut newest: Vec<&AccountTrade> = wanted.rev().take(query.limit).collect();
        newest.reverse();
        newest
    }

    /// Oldest first, as `account_trades`.
    pub fn market_trades(&self, market: u32, limit: usize, from_id: Option<u64>) -> Vec<&Trade> {
        let Some(trades) = self.markets.get(&market) else { return Vec::new() };
        let start = match from_id {
            Some(id) => trades.partition_point(|trade| trade.id < id),
            None => trades.len().saturating_sub(limit),
        };
        trades.iter().skip(start).take(limit).collect()
    }

    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = Writer(MAGIC.to_vec());
        let capacity = &self.capacity;
        for limit in [capacity.orders_per_account, capacity.trades_per_account, capacity.trades_per_market] {
            out.u64(limit as u64);
        }
        out.count(self.accounts.len());
        for (account, history) in &self.accounts {
            out.u32(*account);
            out.count(history.orders.len());
            history.orders.iter().for_each(|order| write_order(&mut out, order));
            out.count(history.trades.len());
            history.trades.iter().for_each(|trade| write_account_trade(&mut out, trade));
        }
        out.count(self.markets.len());
        for (market, trades) in &self.markets {
            out.u32(*market);
            out.count(trades.len());
            trades.iter().for_each(|trade| write_trade(&mut out, trade));
        }
        out.0
    }

    pub fn restore(bytes: &[u8]) -> Result<History, Broken> {
        let mut input = Reader::new(bytes);
        if input.take(8)? != MAGIC {
            return Err(Broken("not a history snapshot of this version".into()));
        }
        let mut limit = || input.u64().map(|limit| limit as usize);
        let capacity =
            Capacity { orders_per_account: limit()?, trades_per_account: limit()?, trades_per_market: limit()? };
        let mut history = History::new(capacity);
        for _ in 0..input.count()? {
            let account = input.u32()?;
            let mut one = AccountHistory::default();
            for _ in 0..input.count()? {
                one.orders.push_back(read_order(&mut input, account)?);
            }
            for _ in 0..input.count()? {
                one.trades.push_back(read_account_trade(&mut input)?);
            }
            history.accounts.insert(account, one);
        }
        for _ in 0..input.count()? {
            let market = input.u32()?;
            let mut trades = VecDeque::new();
            for _ in 0..input.count()? {
                trades.push_back(read_trade(&mut input, market)?);
            }
            history.markets.insert(market, trades);
        }
        input.end()?;
        Ok(history)
    }
}

fn write_order(out: &mut Writer, order: &ClosedOrder) {
    out.u64(order.id);
    out.u32(order.market);
    let codes = [order.side, order.order_type, order.time_in_force, order.stp, order.reason, order.by_quote as u8];
    codes.iter().for_each(|&code| out.u8(code));
    out.u64(order.price);
    out.u64(order.quantity);
    out.u64(order.executed);
    out.atoms(order.executed_quote);
    out.i64(order.accepted_ns);
    out.i64(order.closed_ns);
    out.text(&order.client_id);
}

fn read_order(input: &mut Reader, account: u32) -> Result<ClosedOrder, Broken> {
    Ok(ClosedOrder {
        id: input.u64()?,
        account,
        market: input.u32()?,
        side: input.u8()?,
        order_type: input.u8()?,
        time_in_force: input.u8()?,
        stp: input.u8()?,
        reason: input.u8()?,
        by_quote: input.u8()? == 1,
        price: input.u64()?,
        quantity: input.u64()?,
        executed: input.u64()?,
        executed_quote: input.atoms()?,
        accepted_ns: input.i64()?,
        closed_ns: input.i64()?,
        client_id: input.text()?.into(),
    })
}

fn write_account_trade(out: &mut Writer, trade: &AccountTrade) {
    out.u64(trade.id);
    out.u32(trade.market);
    out.u8(trade.side);
    out.u8(trade.is_maker as u8);
    out.u64(trade.order_id);
    out.u64(trade.price);
    out.u64(trade.quantity);
    out.atoms(trade.quote);
    out.atoms(trade.fee);
    out.i64(trade.time_ns);
}

fn read_account_trade(input: &mut Reader) -> Result<AccountTrade, Broken> {
    Ok(AccountTrade {
        id: input.u64()?,
        market: input.u32()?,
        side: input.u8()?,
        is_maker: input.u8()? == 1,
        order_id: input.u64()?,
        price: input.u64()?,
        quantity: input.u64()?,
        quote: input.atoms()?,
        fee: input.atoms()?,
        time_ns: input.i64()?,
    })
}

fn write_trade(out: &mut Writer, trade: &Trade) {
    out.u64(trade.id);
    out.u8(trade.taker_side);
    out.u64(trade.price);
    out.u64(trade.quantity);
    out.atoms(trade.quote);
    out.i64(trade.time_ns);
    out.u64(trade.maker_order);
    out.u64(trade.taker_order);
}

fn read_trade(input: &mut Reader, market: u32) -> Result<Trade, Broken> {
    Ok(Trade {
        id: input.u64()?,
        market,
        taker_side: input.u8()?,
        price: input.u64()?,
        quantity: input.u64()?,
        quote: input.atoms()?,
        time_ns: input.i64()?,
        maker_order: input.u64()?,
        taker_order: input.u64()?,
    })
}
