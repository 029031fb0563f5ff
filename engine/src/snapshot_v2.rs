//! What rules version 2 adds to a snapshot: reference prices and limits, marks of orders, deadlines.

use std::collections::VecDeque;

use crate::book::Marks;
use crate::engine::{Broken, Engine};
use crate::limits::{Limited, Limits, Second, Window, LIMITS};
use crate::market::{Market, ORDER_LIMIT};
use crate::snapshot::{Read, Reader, Writer};

impl Engine {
    pub(crate) fn write_version_2(&self, out: &mut Writer) {
        for market in &self.markets {
            write_limited(out, market);
        }
        out.count(self.book.marks.len());
        for (&order_id, marks) in &self.book.marks {
            out.u64(order_id);
            out.u64(marks.prevented);
            out.u32(marks.amends);
        }
        let deadlines = self.deadlines.all();
        out.count(deadlines.len());
        for ((account, market), at_ns) in deadlines {
            out.u32(account);
            out.u32(market);
            out.i64(at_ns);
        }
    }

    pub(crate) fn read_version_2(&mut self, input: &mut Reader) -> Read<()> {
        for market in &mut self.markets {
            read_limited(input, market)?;
        }
        for _ in 0..input.count()? {
            let order_id = input.u64()?;
            let marks = Marks { prevented: input.u64()?, amends: input.u32()? };
            let asked = self.book.find(order_id).map(|slot| self.book.order(slot).quantity);
            let is_sound = asked.is_some_and(|lots| marks.prevented < ORDER_LIMIT - lots);
            if !is_sound || self.book.marks.insert(order_id, marks).is_some() {
                return Err(Broken(format!("snapshot marks order {order_id} impossibly")));
            }
        }
        for _ in 0..input.count()? {
            let (account, market, at_ns) = (input.u32()?, input.u32()?, input.i64()?);
            let is_known = if account == 0 { market > 0 } else { self.ledger.account(account).is_some() };
            let is_sound = is_known && (market == 0 || self.market(market).is_some()) && at_ns > 0;
            if !is_sound || !self.deadlines.add((account, market), at_ns) {
                return Err(Broken(format!("snapshot holds an impossible deadline of account {account}")));
            }
        }
        Ok(())
    }
}

fn write_limited(out: &mut Writer, market: &Market) {
    out.u64(market.prevented_id);
    out.u8(market.limited.is_some() as u8);
    let Some(limited) = &market.limited else { return };
    out.0.extend_from_slice(&limited.limits.write());
    out.count(limited.window.seconds.len());
    for second in &limited.window.seconds {
        out.i64(second.at);
        out.u128(second.lots);
        out.u128(second.value);
    }
}

fn read_limited(input: &mut Reader, market: &mut Market) -> Read<()> {
    let impossible = |market: &Market| Broken(format!("snapshot holds impossible limits of {}", market.symbol));
    market.prevented_id = input.u64()?;
    if input.u8()? == 0 {
        return Ok(());
    }
    let limits = Limits::read(input.take(LIMITS)?).map_err(|_| impossible(market))?;
    let mut seconds: VecDeque<Second> = VecDeque::new();
    for _ in 0..input.count()? {
        let second = Second { at: input.i64()?, lots: input.u128()?, value: input.u128()? };
        if second.lots == 0 || seconds.back().is_some_and(|before| before.at >= second.at) {
            return Err(impossible(market));
        }
        seconds.push_back(second);
    }
    let mut limited = Limited::new(limits).filter(|limited| limited.limits.are_sound()).ok_or(impossible(market))?;
    limited.window = Window::resume(seconds);
    market.limited = Some(limited);
    Ok(())
}
