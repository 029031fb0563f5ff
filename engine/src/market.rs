//! Assets, markets, their filters and fees.

use crate::command::{Filters, Terms};
use crate::limits::{Bounds, Limited, UNBOUNDED};
use crate::special::{has_limit, is_stop};
use crate::wire::*;

pub const TIERS: usize = 16;
const RATE_ONE: u64 = 100_000_000; // fee_rate_e8 of 100 %
const RATE_MAX: u64 = RATE_ONE / 2;
/// Prices in ticks and quantities in lots stay below this.
pub const ORDER_LIMIT: u64 = 1 << 52;

pub struct Asset {
    pub name: String,
    pub scale: u8,
    pub state: u8,
}

/// maker, taker, buyer, seller; each `fee_rate_e8`.
pub type Rates = [u32; 4];

pub struct Fees {
    pub standard: [Rates; TIERS],
    pub special: Rates,
    pub tax: Rates,
}

impl Default for Fees {
    fn default() -> Self {
        Fees { standard: [[0; 4]; TIERS], special: [0; 4], tax: [0; 4] }
    }
}

impl Fees {
    /// The fee on `received` for one side of a fill, in the same atoms.
    ///
    /// Each part (standard, special, tax) is rounded up by itself, so that many small fills never cost less than a
    /// large one; a fee never takes more than what was received.
    #[inline(always)]
    pub fn fee(&self, received: Atoms, tier: u8, is_taker: bool, is_seller: bool) -> Atoms {
        let (role, trade_side) = (is_taker as usize, 2 + is_seller as usize);
        let rate = |rates: &Rates| rates[role] as u64 + rates[trade_side] as u64;
        let (special, tax) = (rate(&self.special), rate(&self.tax));
        let mut fee = part_fee(received, rate(&self.standard[tier as usize]));
        if special | tax != 0 {
            fee += part_fee_of_much(received, special) + part_fee_of_much(received, tax);
        }
        fee.min(received)
    }

    /// No side of a trade may pay more than half.
    pub fn are_bounded(&self) -> bool {
        self.standard.iter().all(|standard| {
            let pays = |role: usize, trade_side: usize| {
                [standard, &self.special, &self.tax].iter().map(|r| r[role] as u64 + r[trade_side] as u64).sum::<u64>()
            };
            (0..2).all(|role| (2..4).all(|trade_side| pays(role, trade_side) <= RATE_MAX))
        })
    }
}

/// ceil(received * rate / 1e8), exactly.
#[inline(always)]
fn part_fee(received: Atoms, rate: u64) -> Atoms {
    match u64::try_from(received).ok().and_then(|received| received.checked_mul(rate)) {
        Some(product) => product.div_ceil(RATE_ONE) as Atoms,
        None => part_fee_of_much(received, rate),
    }
}

/// The same by whole hundred-millions first, so that it stays in 64 bits as long as it may.
#[inline(never)]
fn part_fee_of_much(received: Atoms, rate: u64) -> Atoms {
    if let Ok(small) = u64::try_from(received) {
        let (whole, rest) = (small / RATE_ONE, small % RATE_ONE);
        return product(whole, rate) + (rest * rate).div_ceil(RATE_ONE) as Atoms;
    }
    let one = RATE_ONE as Atoms;
    let (whole, rest) = (received / one, received % one);
    whole * rate as Atoms + (rest as u64 * rate).div_ceil(RATE_ONE) as Atoms
}

/// The exact product of two numbers whose product is an amount, and amounts stay below 2^120 (`filters_are_sound`,
/// `BALANCE_LIMIT`). A checked 128-bit multiplication would cost more than the rest of a fill.
#[inline]
pub fn product(a: u64, b: u64) -> Atoms {
    (a as u128).wrapping_mul(b as u128) as Atoms
}

pub struct Market {
    pub symbol: String,
    pub base: u32,
    pub quote: u32,
    pub tick_atoms: u64,
    pub lot_atoms: u64,
    /// Quote atoms of one tick times one lot: a whole number, or the market would not be listed.
    pub tick_lot_atoms: u64,
    pub filters: Filters,
    pub fees: Fees,
    pub state: u8,
    pub update_id: u64,
    pub last_price: Ticks,
    pub trade_id: u64,
    pub prevented_id: u64,
    /// What it limits beyond its filters, if anything.
    pub limited: Option<Box<Limited>>,
    /// Balance rows of the fee account, base and quote.
    pub fee_rows: [u32; 2],
    /// Whether stop orders wait for its price.
    pub is_watched: bool,
}

impl Market {
    /// Quote atoms of one lot at `price`.
    #[inline]
    pub fn lot_value(&self, price: Ticks) -> Atoms {
        product(price, self.tick_lot_atoms)
    }

    /// Quote atoms of `quantity` lots at `price`; below 2^100 for any order that passed the filters.
    #[inline]
    pub fn notional(&self, price: Ticks, quantity: Lots) -> Atoms {
        self.lot_value(price).wrapping_mul(quantity as Atoms)
    }

    #[inline]
    pub fn base_atoms(&self, quantity: Lots) -> Atoms {
        product(quantity, self.lot_atoms)
    }

    /// Whether such an order may be placed now; if not, why.
    #[inline]
    pub fn check_state(&self, terms: &Terms) -> Result<(), Status> {
        if self.state == market_state::TRADING || self.lets_rest(terms) {
            return Ok(());
        }
        Err(status::MARKET_CLOSED)
    }

    /// Outside of trading, some states let orders rest, or wait, that take nothing.
    #[inline(never)]
    fn lets_rest(&self, terms: &Terms) -> bool {
        let lets_rest = self.is_resting();
        let is_gtc = has_limit(terms.order_type) && terms.time_in_force == time_in_force::GTC;
        lets_rest && (is_gtc || is_stop(terms.order_type))
    }

    /// Nothing trades, but orders may come, change and go.
    pub fn is_resting(&self) -> bool {
        matches!(self.state, market_state::PRE_OPEN | market_state::POST_ONLY | market_state::PAUSED)
    }

    /// Prices at which a taker on `side` may trade now.
    #[inline]
    pub fn execution_bounds(&mut self, side: u8, time_ns: i64) -> Bounds {
        match &mut self.limited {
            None => UNBOUNDED,
            Some(limited) => limited.execution_bounds(side, time_ns, self.last_price),
        }
    }

    /// What an order on `side` pays with.
    pub fn asset_paid(&self, side: u8) -> u32 {
        if side == side::BUY {
            self.quote
        } else {
            self.base
        }
    }

    /// Atoms that an order on `side` holds for `lots` at `price`.
    #[inline]
    pub fn hold_of(&self, side: u8, price: Ticks, lots: Lots) -> Atoms {
        // At most 2^100 for any order that passed the filters. Nothing branches here: nobody can foresee the side.
        self.hold_of_lot(side, price).wrapping_mul(lots as Atoms)
    }

    /// Atoms that an order on `side` holds for each lot at `price`.
    #[inline]
    pub fn hold_of_lot(&self, side: u8, price: Ticks) -> Atoms {
        let buys = ((side == side::BUY) as u64).wrapping_neg();
        product(price, self.tick_lot_atoms & buys) | (self.lot_atoms & !buys) as Atoms
    }

    /// The same for an order whose value at its limit price is known.
    #[inline]
    pub fn hold_of_value(&self, side: u8, value: Atoms, lots: Lots) -> Atoms {
        std::hint::select_unpredictable(side == side::BUY, value, product(lots, self.lot_atoms))
    }

    /// The filters of the public API that look at nothing but the order and the last price. Returns what the order is
    /// worth at its limit price, or 0 if it has none.
    #[inline(always)]
    pub fn check_filters(&self, terms: &Terms) -> Result<Atoms, Status> {
        if !has_limit(terms.order_type) {
            return self.check_market_filters(terms).map(|()| 0);
        }
        let filters = &self.filters;
        if !(filters.price_min..=filters.price_max).contains(&terms.price) {
            return Err(status::PRICE_FILTER);
        }
        if !(filters.lot_min..=filters.lot_max).contains(&terms.quantity) {
            return Err(status::LOT_SIZE);
        }
        let notional = self.notional(terms.price, terms.quantity);
        if notional < filters.notional_min || notional > filters.notional_max {
            return Err(status::NOTIONAL);
        }
        Ok(notional)
    }

    #[inline(never)]
    fn check_market_filters(&self, terms: &Terms) -> Result<(), Status> {
        let filters = &self.filters;
        // Of a stop order without a limit price, this is its stop price.
        if terms.price > 0 && !(filters.price_min..=filters.price_max).contains(&terms.price) {
            return Err(status::PRICE_FILTER);
        }
        if terms.budget == 0 {
            if !(filters.lot_min..=filters.lot_max).contains(&terms.quantity) {
                return Err(status::LOT_SIZE);
            }
            if !(filters.market_lot_min..=filters.market_lot_max).contains(&terms.quantity) {
                return Err(status::MARKET_LOT_SIZE);
            }
        }
        let notional = if terms.budget > 0 {
            terms.budget
        } else {
            // A stop order is valued at its stop price, others at the last price.
            let price = if terms.price > 0 { terms.price } else { self.last_price };
            if price == 0 {
                return Ok(());
            }
            // The last price may be from before the filters shrank, so the product is not bounded by them.
            self.lot_value(price).saturating_mul(terms.quantity as Atoms)
        };
        let minimum = if filters.notional_flags & 1 != 0 { filters.notional_min } else { 0 };
        let maximum = if filters.notional_flags & 2 != 0 { filters.notional_max } else { Atoms::MAX };
        if (minimum..=maximum).contains(&notional) {
            Ok(())
        } else {
            Err(status::NOTIONAL)
        }
    }
}

/// Whether these filters can be kept: every bound in order, and no order's value beyond the amounts we calculate with.
pub fn filters_are_sound(filters: &Filters, tick_lot_atoms: u64, lot_atoms: u64) -> bool {
    let ordered = |low: u64, high: u64| low >= 1 && low <= high;
    let within = |value: Option<Atoms>| value.is_some_and(|value| value < AMOUNT_LIMIT);
    ordered(filters.price_min, filters.price_max)
        && ordered(filters.lot_min, filters.lot_max)
        && ordered(filters.market_lot_min, filters.market_lot_max)
        && filters.lot_max < ORDER_LIMIT
        && filters.price_max < ORDER_LIMIT
        && filters.notional_max > 0
        && filters.notional_min <= filters.notional_max
        && filters.max_orders > 0
        && filters.notional_flags < 4
        && within((filters.price_max as Atoms * filters.lot_max as Atoms).checked_mul(tick_lot_atoms as Atoms))
        && within((filters.lot_max as Atoms).checked_mul(lot_atoms as Atoms))
}

/// Quote atoms of one tick-lot, if that is a whole number above zero that fits 64 bits.
pub fn tick_lot_atoms(tick_atoms: u64, lot_atoms: u64, base_scale: u8) -> Option<u64> {
    let product = (tick_atoms as Atoms).checked_mul(lot_atoms as Atoms)?;
    let unit = (10 as Atoms).pow(base_scale as u32);
    if product > 0 && product % unit == 0 {
        u64::try_from(product / unit).ok()
    } else {
        None
    }
}
