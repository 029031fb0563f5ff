//! Reading commands: bytes of docs/formats/commands.md to borrowed structs. Everything about the shape of a command
//! is checked here and nowhere else; whether it may happen is the engine's business.

use bytemuck::AnyBitPattern;

use crate::limits::{Limits, LIMITS};
use crate::special::{has_limit, working_type, BIPS};
use crate::wire::*;

pub const BATCH_HEADER: usize = 32;
pub const HEADER: usize = 24;
const EXTENSION: usize = 48;
/// An order list up to its orders, and each of them.
const LIST: usize = 32;
const LEG: usize = 48;
const FLAG_EXTENSION: u8 = 1;
pub const FILTERS: usize = 104;

/// What every command begins with, seen in the bytes of the batch: nothing is copied, and nothing has to be kept in
/// registers meanwhile.
#[derive(Clone, Copy, AnyBitPattern)]
#[repr(C, packed)]
pub struct Header {
    pub length: u16,
    pub kind: u8,
    pub flags: u8,
    pub session: u32,
    pub number: u64,
    pub account: u32,
    /// Market, or asset for money commands.
    pub market: u32,
}

impl Header {
    #[inline]
    pub fn of(bytes: &[u8]) -> &Header {
        bytemuck::from_bytes(bytes.first_chunk::<HEADER>().expect("framing was checked"))
    }
}

/// Kinds that concern no account, or no market or asset, leave that field zero.
pub fn unused_fields_are_zero(header: &Header) -> Result<(), Status> {
    let names_account = matches!(header.kind, kind::ACCOUNT_SET | kind::ACCOUNT_FREEZE);
    let names_market =
        matches!(header.kind, kind::ASSET_STATE | kind::MARKET_STATE | kind::MARKET_FILTERS..=kind::MARKET_LIMITS);
    require((names_account || header.account == 0) && (names_market || header.market == 0))
}

/// The terms of a new order.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    pub side: u8,
    pub order_type: u8,
    pub time_in_force: u8,
    pub stp: u8,
    pub price: Ticks,
    pub quantity: Lots,
    /// Quote atoms of a MARKET order by budget, else 0.
    pub budget: Atoms,
    pub client_id: &'a [u8],
}

/// The terms of an order that may have a trigger or hide a part of itself.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub terms: Terms<'a>,
    pub stop_price: Ticks,
    pub iceberg: Lots,
    /// Bips that a trailing order lets the price turn back.
    pub delta: u32,
}

impl Wanted<'_> {
    /// Whether the terms are all there is.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.stop_price == 0 && self.iceberg == 0 && self.delta == 0
    }
}

/// Orders that depend on each other: the stop leg and the other of an OCO; the working order and the pending one of an
/// OTO; or the working order and the two legs of an OCO.
pub struct ListPlace<'a> {
    pub contingency: u8,
    pub client_id: &'a [u8],
    pub legs: Vec<Wanted<'a>>,
}

pub struct ListCancel<'a> {
    pub list_id: u64,
    pub client_id: &'a [u8],
    pub request_id: &'a [u8],
}

/// How a command names an open order: by id, by client id, or by both.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub order_id: u64,
    pub client_id: &'a [u8],
}

pub struct Cancel<'a> {
    pub target: Target<'a>,
    pub request_id: &'a [u8],
}

pub struct CancelReplace<'a> {
    pub target: Target<'a>,
    pub request_id: &'a [u8],
    pub allow_failure: bool,
    /// `quantity` 0 stands for what remains of the cancelled order.
    pub wanted: Wanted<'a>,
}

pub struct Amend<'a> {
    pub target: Target<'a>,
    pub quantity: Lots,
    pub client_id: &'a [u8],
}

pub struct Money<'a> {
    pub counter: u32,
    pub fee_account: u32,
    pub amount: Atoms,
    pub fee: Atoms,
    pub reference: &'a [u8],
    pub origin: &'a [u8],
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Filters {
    pub price_min: Ticks,
    pub price_max: Ticks,
    pub lot_min: Lots,
    pub lot_max: Lots,
    pub market_lot_min: Lots,
    pub market_lot_max: Lots,
    pub notional_min: Atoms,
    pub notional_max: Atoms,
    pub max_orders: u32,
    pub notional_flags: u8,
}

pub struct MarketList<'a> {
    pub base: u32,
    pub quote: u32,
    pub tick_atoms: u64,
    pub lot_atoms: u64,
    pub filters: Filters,
    pub state: u8,
    pub symbol: &'a [u8],
}

/// Checks that the strings of a command end it exactly, padded with zeros, and gives them back. Most have none.
#[inline]
fn strings<const N: usize>(bytes: &[u8], at: usize, lengths: [u8; N]) -> Result<[&[u8]; N], Status> {
    if lengths == [0; N] {
        require(bytes.len() == at)?;
        return Ok([&[]; N]);
    }
    cut_strings(bytes, at, lengths)
}

#[inline(never)]
fn cut_strings<const N: usize>(bytes: &[u8], at: usize, lengths: [u8; N]) -> Result<[&[u8]; N], Status> {
    let total: usize = lengths.iter().map(|&length| length as usize).sum();
    if bytes.len() != at + padded(total) || !is_zero(&bytes[at + total..]) {
        return Err(status::MALFORMED);
    }
    let mut start = at;
    Ok(lengths.map(|length| {
        let text = &bytes[start..start + length as usize];
        start += length as usize;
        text
    }))
}

#[inline]
fn is_client_id(text: &[u8]) -> bool {
    text.is_empty() || is_spelt_well(text)
}

#[inline(never)]
fn is_spelt_well(text: &[u8]) -> bool {
    text.len() <= CLIENT_ID_MAX && text.iter().all(|c| c.is_ascii_alphanumeric() || b"-_.:/".contains(c))
}

fn is_printable(text: &[u8]) -> bool {
    text.iter().all(|c| c.is_ascii_graphic())
}

#[inline]
fn require(condition: bool) -> Result<(), Status> {
    if condition {
        Ok(())
    } else {
        Err(status::MALFORMED)
    }
}

/// The extension block of an order, and where the strings begin. Rules version 1 knows the quote budget alone.
fn extension<'a>(bytes: &[u8], at: usize, rules: u32, terms: Terms<'a>) -> Result<Wanted<'a>, Status> {
    require(bytes.len() >= at + EXTENSION)?;
    let budget = u128_at(bytes, at);
    require(budget < AMOUNT_LIMIT as u128 && is_zero(&bytes[at + 16..at + 24]) && is_zero(&bytes[at + 44..at + 48]))?;
    let wanted = Wanted {
        terms: Terms { budget: budget as Atoms, ..terms },
        stop_price: u64_at(bytes, at + 24),
        iceberg: u64_at(bytes, at + 32),
        delta: u32_at(bytes, at + 40),
    };
    require(rules >= 2 || wanted.is_plain())?;
    Ok(wanted)
}

/// Combinations of type, time in force, price, quantity and budget that mean something.
#[inline]
fn check_terms(terms: &Terms, quantity_may_be_zero: bool) -> Result<(), Status> {
    require(terms.side <= side::SELL && terms.stp <= stp::DECREMENT && is_client_id(terms.client_id))?;
    let by_quantity = terms.budget == 0 && (terms.quantity > 0 || quantity_may_be_zero);
    match terms.order_type {
        order_type::LIMIT => require(
            (time_in_force::GTC..=time_in_force::FOK).contains(&terms.time_in_force) && terms.price > 0 && by_quantity,
        ),
        order_type::LIMIT_MAKER => require(terms.time_in_force == time_in_force::GTC && terms.price > 0 && by_quantity),
        order_type::MARKET => require(
            terms.time_in_force == time_in_force::IOC
                && terms.price == 0
                && (by_quantity || (terms.budget > 0 && terms.quantity == 0)),
        ),
        _ => Err(status::MALFORMED),
    }
}

/// Combinations that mean something, of an order that may be more than its terms.
fn check_wanted(wanted: &Wanted, quantity_may_be_zero: bool) -> Result<(), Status> {
    let terms = &wanted.terms;
    if wanted.is_plain() {
        return check_terms(terms, quantity_may_be_zero);
    }
    let is_stop = (order_type::STOP_LOSS..=order_type::TAKE_PROFIT_LIMIT).contains(&terms.order_type);
    require(is_stop == (wanted.stop_price > 0 || wanted.delta > 0) && wanted.delta < BIPS)?;
    require(wanted.iceberg == 0 || (has_limit(terms.order_type) && terms.time_in_force == time_in_force::GTC))?;
    require(terms.budget == 0)?;
    // What it is when it works, it must be able to be.
    check_terms(&Terms { order_type: working_type(terms.order_type), ..*terms }, quantity_may_be_zero)
}

/// The codes of a plain order, side apart: LIMIT, good till cancelled, no self-trade prevention, no client id.
const PLAIN: u64 = u64::from_le_bytes([0, order_type::LIMIT, time_in_force::GTC, stp::NONE, 0, 0, 0, 0]);

/// The terms of a PLACE that is a plain order, which most are: its shape is told by one comparison.
#[inline(always)]
pub fn plain_place(header: &Header, bytes: &[u8]) -> Option<Terms<'static>> {
    let bytes: &[u8; 48] = bytes.try_into().ok()?;
    let (price, quantity) = (u64_at(bytes, 32), u64_at(bytes, 40));
    let is_plain = u64_at(bytes, 24) & !1 == PLAIN && header.flags == 0 && price > 0 && quantity > 0;
    is_plain.then_some(Terms {
        side: bytes[24] & 1,
        order_type: order_type::LIMIT,
        time_in_force: time_in_force::GTC,
        stp: stp::NONE,
        price,
        quantity,
        budget: 0,
        client_id: &[],
    })
}

pub fn place<'a>(bytes: &'a [u8]) -> Result<Terms<'a>, Status> {
    let fixed: &[u8; 48] = bytes.first_chunk().ok_or(status::MALFORMED)?;
    require(u64_at(fixed, 24) >> 40 == 0)?;
    let [client_id] = strings(bytes, 48, [fixed[28]])?;
    let terms = place_terms(fixed, client_id);
    check_terms(&terms, false)?;
    Ok(terms)
}

/// A PLACE with flags: they must say that there is an extension block.
pub fn place_extended<'a>(bytes: &'a [u8], flags: u8, rules: u32) -> Result<Wanted<'a>, Status> {
    let fixed: &[u8; 48] = bytes.first_chunk().ok_or(status::MALFORMED)?;
    require(flags == FLAG_EXTENSION && u64_at(fixed, 24) >> 40 == 0 && bytes.len() >= 48 + EXTENSION)?;
    let [client_id] = strings(bytes, 48 + EXTENSION, [fixed[28]])?;
    let wanted = extension(bytes, 48, rules, place_terms(fixed, client_id))?;
    check_wanted(&wanted, false)?;
    Ok(wanted)
}

#[inline]
fn place_terms<'a>(fixed: &[u8; 48], client_id: &'a [u8]) -> Terms<'a> {
    Terms {
        side: fixed[24],
        order_type: fixed[25],
        time_in_force: fixed[26],
        stp: fixed[27],
        price: u64_at(fixed, 32),
        quantity: u64_at(fixed, 40),
        budget: 0,
        client_id,
    }
}

/// The order that a CANCEL names, if it does so by id alone, which most do.
#[inline(always)]
pub fn plain_cancel(header: &Header, bytes: &[u8]) -> Option<Target<'static>> {
    let bytes: &[u8; 40] = bytes.try_into().ok()?;
    let (order_id, lengths) = (u64_at(bytes, 24), u64_at(bytes, 32));
    (order_id != 0 && lengths == 0 && header.flags == 0).then_some(Target { order_id, client_id: &[] })
}

pub fn cancel<'a>(bytes: &'a [u8], flags: u8) -> Result<Cancel<'a>, Status> {
    let fixed: &[u8; 40] = bytes.first_chunk().ok_or(status::MALFORMED)?;
    require(flags == 0 && u64_at(fixed, 32) >> 16 == 0)?;
    let [client_id, request_id] = strings(bytes, 40, [fixed[32], fixed[33]])?;
    let target = target(u64_at(fixed, 24), client_id)?;
    require(is_client_id(request_id))?;
    Ok(Cancel { target, request_id })
}

#[inline]
fn target<'a>(order_id: u64, client_id: &'a [u8]) -> Result<Target<'a>, Status> {
    require(is_client_id(client_id) && (order_id != 0 || !client_id.is_empty()))?;
    Ok(Target { order_id, client_id })
}

/// Bytes that it takes to see what a command of any kind is about.
pub const FORESEEN: usize = 56;

/// The order that a CANCEL or a CANCEL_REPLACE names by its id; anything for other commands.
#[inline(always)]
pub fn order_named(header: &Header, bytes: &[u8; FORESEEN]) -> u64 {
    std::hint::select_unpredictable(header.kind == kind::CANCEL_REPLACE, u64_at(bytes, 48), u64_at(bytes, 24))
}

#[inline(always)]
pub fn cancel_replace<'a>(bytes: &'a [u8], flags: u8, rules: u32) -> Result<CancelReplace<'a>, Status> {
    match plain_replace(bytes, flags) {
        Some(replace) => Ok(replace),
        None => any_cancel_replace(bytes, flags, rules),
    }
}

/// As `plain_place`: a plain order in the place of one that is named by its id.
#[inline(always)]
fn plain_replace(bytes: &[u8], flags: u8) -> Option<CancelReplace<'static>> {
    const ALLOW_FAILURE: u64 = 1 << 56;
    let bytes: &[u8; 56] = bytes.try_into().ok()?;
    let (codes, price, order_id) = (u64_at(bytes, 24), u64_at(bytes, 32), u64_at(bytes, 48));
    let is_plain = codes & !(1 | ALLOW_FAILURE) == PLAIN && flags == 0 && price > 0 && order_id > 0;
    is_plain.then_some(CancelReplace {
        target: Target { order_id, client_id: &[] },
        request_id: &[],
        allow_failure: codes & ALLOW_FAILURE != 0,
        wanted: Wanted {
            terms: Terms {
                side: bytes[24] & 1,
                order_type: order_type::LIMIT,
                time_in_force: time_in_force::GTC,
                stp: stp::NONE,
                price,
                quantity: u64_at(bytes, 40),
                budget: 0,
                client_id: &[],
            },
            stop_price: 0,
            iceberg: 0,
            delta: 0,
        },
    })
}

#[inline(never)]
fn any_cancel_replace<'a>(bytes: &'a [u8], flags: u8, rules: u32) -> Result<CancelReplace<'a>, Status> {
    let fixed: &[u8; 56] = bytes.first_chunk().ok_or(status::MALFORMED)?;
    require(flags <= FLAG_EXTENSION && fixed[31] <= 1)?;
    let at = 56 + flags as usize * EXTENSION;
    require(bytes.len() >= at)?;
    let [client_id, target_id, request_id] = strings(bytes, at, [fixed[28], fixed[29], fixed[30]])?;
    let terms = Terms {
        side: fixed[24],
        order_type: fixed[25],
        time_in_force: fixed[26],
        stp: fixed[27],
        price: u64_at(fixed, 32),
        quantity: u64_at(fixed, 40),
        budget: 0,
        client_id,
    };
    let wanted = if flags == FLAG_EXTENSION {
        extension(bytes, 56, rules, terms)?
    } else {
        Wanted { terms, stop_price: 0, iceberg: 0, delta: 0 }
    };
    check_wanted(&wanted, true)?;
    let target = target(u64_at(fixed, 48), target_id)?;
    require(is_client_id(request_id))?;
    Ok(CancelReplace { target, request_id, allow_failure: fixed[31] == 1, wanted })
}

pub fn list_place<'a>(bytes: &'a [u8], flags: u8) -> Result<ListPlace<'a>, Status> {
    require(bytes.len() >= LIST && flags == 0 && is_zero(&bytes[27..LIST]))?;
    let (contingency, count) = (bytes[24], bytes[25] as usize);
    let expected = if contingency == contingency::OTOCO { 3 } else { 2 };
    require((contingency::OCO..=contingency::OTOCO).contains(&contingency) && count == expected)?;
    let at = LIST + count * LEG;
    require(bytes.len() >= at)?;
    let fixed = |nth: usize| &bytes[LIST + nth * LEG..LIST + (nth + 1) * LEG];
    let length = |nth: usize| if nth < count { fixed(nth)[4] } else { 0 };
    let [client_id, texts @ ..] = strings(bytes, at, [bytes[26], length(0), length(1), length(2)])?;
    require(is_client_id(client_id))?;
    let legs = (0..count).map(|nth| leg(fixed(nth), texts[nth])).collect::<Result<Vec<_>, _>>()?;
    require(match contingency {
        contingency::OCO => is_pair(&legs),
        contingency::OTO => is_working(&legs[0]),
        _ => is_working(&legs[0]) && is_pair(&legs[1..]),
    })?;
    Ok(ListPlace { contingency, client_id, legs })
}

fn leg<'a>(fixed: &[u8], client_id: &'a [u8]) -> Result<Wanted<'a>, Status> {
    require(is_zero(&fixed[5..8]) && is_zero(&fixed[44..48]))?;
    let terms = Terms {
        side: fixed[0],
        order_type: fixed[1],
        time_in_force: fixed[2],
        stp: fixed[3],
        price: u64_at(fixed, 8),
        quantity: u64_at(fixed, 16),
        budget: 0,
        client_id,
    };
    let wanted = Wanted { terms, stop_price: u64_at(fixed, 24), iceberg: u64_at(fixed, 32), delta: u32_at(fixed, 40) };
    check_wanted(&wanted, false)?;
    Ok(wanted)
}

fn is_working(leg: &Wanted) -> bool {
    matches!(leg.terms.order_type, order_type::LIMIT | order_type::LIMIT_MAKER)
}

/// A stop loss, and what is to be gained otherwise.
fn is_pair(legs: &[Wanted]) -> bool {
    let (stop, other) = (&legs[0].terms, &legs[1].terms);
    matches!(stop.order_type, order_type::STOP_LOSS | order_type::STOP_LOSS_LIMIT)
        && matches!(other.order_type, order_type::LIMIT_MAKER | order_type::TAKE_PROFIT | order_type::TAKE_PROFIT_LIMIT)
        && (stop.side, stop.quantity) == (other.side, other.quantity)
}

pub fn list_cancel<'a>(bytes: &'a [u8], flags: u8) -> Result<ListCancel<'a>, Status> {
    let fixed: &[u8; 40] = bytes.first_chunk().ok_or(status::MALFORMED)?;
    require(flags == 0 && u64_at(fixed, 32) >> 16 == 0)?;
    let [client_id, request_id] = strings(bytes, 40, [fixed[32], fixed[33]])?;
    let list_id = u64_at(fixed, 24);
    require(is_client_id(client_id) && is_client_id(request_id) && (list_id != 0 || !client_id.is_empty()))?;
    Ok(ListCancel { list_id, client_id, request_id })
}

pub fn amend<'a>(bytes: &'a [u8], flags: u8) -> Result<Amend<'a>, Status> {
    require(bytes.len() >= 48 && flags == 0 && is_zero(&bytes[42..48]))?;
    let [target_id, client_id] = strings(bytes, 48, [bytes[40], bytes[41]])?;
    let target = target(u64_at(bytes, 24), target_id)?;
    let quantity = u64_at(bytes, 32);
    require(is_client_id(client_id) && quantity > 0)?;
    Ok(Amend { target, quantity, client_id })
}

pub fn money<'a>(bytes: &'a [u8], flags: u8) -> Result<Money<'a>, Status> {
    require(bytes.len() >= 72 && flags == 0 && is_zero(&bytes[34..40]))?;
    let [reference, origin] = strings(bytes, 72, [bytes[32], bytes[33]])?;
    require(!reference.is_empty() && reference.len() <= REFERENCE_MAX && origin.len() <= REFERENCE_MAX)?;
    require(is_printable(reference) && is_printable(origin))?;
    let needs_origin = matches!(bytes[2], kind::REVERSE | kind::SETTLE | kind::RELEASE);
    require(needs_origin != origin.is_empty())?;
    require(bytes[2] == kind::SETTLE || u32_at(bytes, 28) == 0)?;
    // Anything beyond the limit is one refusal, BAD_AMOUNT, whatever its size.
    let atoms = |at| u128_at(bytes, at).min(AMOUNT_LIMIT as u128) as Atoms;
    Ok(Money {
        counter: u32_at(bytes, 24),
        fee_account: u32_at(bytes, 28),
        amount: atoms(40),
        fee: atoms(56),
        reference,
        origin,
    })
}

pub struct AccountCreate<'a> {
    pub class: u8,
    pub tier: u8,
    pub permissions: u8,
    pub stp_group: u32,
    pub owner: u64,
    pub reference: &'a [u8],
}

pub fn account_create<'a>(bytes: &'a [u8], flags: u8) -> Result<AccountCreate<'a>, Status> {
    require(bytes.len() >= 40 && flags == 0)?;
    let [reference] = strings(bytes, 40, [bytes[27]])?;
    require(!reference.is_empty() && reference.len() <= REFERENCE_MAX && is_printable(reference))?;
    let (class, tier, permissions) = (bytes[24], bytes[25], bytes[26]);
    require((class == class::USER || class == class::MIRROR) && tier < 16 && permissions < 8)?;
    Ok(AccountCreate { class, tier, permissions, stp_group: u32_at(bytes, 28), owner: u64_at(bytes, 32), reference })
}

/// (tier, permissions, self-trade group)
pub fn account_set(bytes: &[u8], flags: u8) -> Result<(u8, u8, u32), Status> {
    require(bytes.len() == 32 && flags == 0 && bytes[24] == 0 && bytes[27] == 0 && bytes[25] < 16 && bytes[26] < 8)?;
    Ok((bytes[25], bytes[26], u32_at(bytes, 28)))
}

/// One small code at offset 24 and zeros after it: freeze, asset state, market state.
pub fn code(bytes: &[u8], flags: u8) -> Result<u8, Status> {
    require(bytes.len() == 32 && flags == 0 && is_zero(&bytes[25..32]))?;
    Ok(bytes[24])
}

/// One number at offset 24 and zeros after it: take over, rules.
pub fn number(bytes: &[u8], flags: u8) -> Result<u32, Status> {
    require(bytes.len() == 32 && flags == 0 && is_zero(&bytes[28..32]))?;
    Ok(u32_at(bytes, 24))
}

/// (scale, name)
pub fn asset_list(bytes: &[u8], flags: u8) -> Result<(u8, &[u8]), Status> {
    require(bytes.len() >= 32 && flags == 0 && is_zero(&bytes[26..32]))?;
    let [name] = strings(bytes, 32, [bytes[25]])?;
    require(is_name(name, 16) && bytes[24] <= 18)?;
    Ok((bytes[24], name))
}

fn is_name(text: &[u8], longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

fn filters(bytes: &[u8]) -> Result<Filters, Status> {
    require(is_zero(&bytes[85..104]))?;
    let atoms = |at| u128_at(bytes, at).min(AMOUNT_LIMIT as u128) as Atoms;
    Ok(Filters {
        price_min: u64_at(bytes, 0),
        price_max: u64_at(bytes, 8),
        lot_min: u64_at(bytes, 16),
        lot_max: u64_at(bytes, 24),
        market_lot_min: u64_at(bytes, 32),
        market_lot_max: u64_at(bytes, 40),
        notional_min: atoms(48),
        notional_max: atoms(64),
        max_orders: u32_at(bytes, 80),
        notional_flags: bytes[84],
    })
}

impl Filters {
    pub fn write(&self) -> [u8; FILTERS] {
        let mut block = [0; FILTERS];
        let words =
            [self.price_min, self.price_max, self.lot_min, self.lot_max, self.market_lot_min, self.market_lot_max];
        for (at, word) in words.iter().enumerate() {
            block[at * 8..at * 8 + 8].copy_from_slice(&word.to_le_bytes());
        }
        block[48..64].copy_from_slice(&self.notional_min.to_le_bytes());
        block[64..80].copy_from_slice(&self.notional_max.to_le_bytes());
        block[80..84].copy_from_slice(&self.max_orders.to_le_bytes());
        block[84] = self.notional_flags;
        block
    }

    pub fn read(block: &[u8]) -> Result<Filters, Status> {
        filters(block)
    }
}

pub fn market_list<'a>(bytes: &'a [u8], flags: u8) -> Result<MarketList<'a>, Status> {
    require(bytes.len() >= 160 && flags == 0 && is_zero(&bytes[154..160]))?;
    let [symbol] = strings(bytes, 160, [bytes[153]])?;
    require(is_name(symbol, 32))?;
    Ok(MarketList {
        base: u32_at(bytes, 24),
        quote: u32_at(bytes, 28),
        tick_atoms: u64_at(bytes, 32),
        lot_atoms: u64_at(bytes, 40),
        filters: filters(&bytes[48..152])?,
        state: bytes[152],
        symbol,
    })
}

pub fn market_filters(bytes: &[u8], flags: u8) -> Result<Filters, Status> {
    require(bytes.len() == 128 && flags == 0)?;
    filters(&bytes[24..128])
}

pub fn market_limits(bytes: &[u8], flags: u8) -> Result<Limits, Status> {
    require(bytes.len() == HEADER + LIMITS && flags == 0)?;
    Limits::read(&bytes[HEADER..])
}

/// When the countdown ends; 0 stops it.
pub fn countdown(bytes: &[u8], flags: u8) -> Result<i64, Status> {
    require(bytes.len() == 32 && flags == 0)?;
    let deadline_ns = i64_at(bytes, 24);
    require(deadline_ns >= 0)?;
    Ok(deadline_ns)
}

/// (component, tier, rates)
pub fn market_fees(bytes: &[u8], flags: u8) -> Result<(u8, u8, [u32; 4]), Status> {
    require(bytes.len() == 48 && flags == 0 && is_zero(&bytes[26..32]))?;
    let (component, tier) = (bytes[24], bytes[25]);
    require(component <= fee_component::TAX && tier < 16 && (component == fee_component::STANDARD || tier == 0))?;
    Ok((component, tier, [u32_at(bytes, 32), u32_at(bytes, 36), u32_at(bytes, 40), u32_at(bytes, 44)]))
}

/// (role, name)
pub fn session_open(bytes: &[u8], flags: u8) -> Result<(u8, &[u8]), Status> {
    require(bytes.len() == 48 && flags == 0 && (role::TRADE..=role::ADMIN).contains(&bytes[24]) && bytes[25] <= 22)?;
    let end = 26 + bytes[25] as usize;
    require(is_zero(&bytes[end..48]) && is_printable(&bytes[26..end]))?;
    Ok((bytes[24], &bytes[26..end]))
}

pub fn header_only(bytes: &[u8], flags: u8) -> Result<(), Status> {
    require(bytes.len() == HEADER && flags == 0)
}
