//! The vocabulary of the formats in docs/formats: kinds, status codes, and little-endian reading.

/// Exports each constant with its name, so that the Python enums can be held equal to them.
macro_rules! codes {
    ($(#[$doc:meta])* $module:ident: $type:ty { $($name:ident = $value:expr,)+ }) => {
        $(#[$doc])*
        pub mod $module {
            $(pub const $name: $type = $value;)+
            pub const ALL: &[(&str, u32)] = &[$((stringify!($name), $value as u32)),+];
        }
    };
}

codes! { kind: u8 {
    PLACE = 1, CANCEL = 2, CANCEL_ALL = 3, CANCEL_REPLACE = 4, AMEND = 5,
    LIST_PLACE = 6, LIST_CANCEL = 7,
    CREDIT = 10, REVERSE = 11, HOLD = 12, SETTLE = 13, RELEASE = 14, MOVE = 15, CORRECTION = 16,
    ACCOUNT_CREATE = 20, ACCOUNT_SET = 21, ACCOUNT_FREEZE = 22, COUNTDOWN = 23,
    ASSET_LIST = 30, ASSET_STATE = 31, MARKET_LIST = 32, MARKET_STATE = 33, MARKET_FILTERS = 34, MARKET_FEES = 35,
    MARKET_LIMITS = 36,
    SESSION_OPEN = 40, TAKE_OVER = 42, RULES = 43, TIME = 44, CONTINUE = 45,
}}

codes! { event: u8 {
    RESULT = 0, ORDER_ACCEPTED = 1, TRADE = 2, ORDER_CLOSED = 3, ORDER_AMENDED = 4, LEVEL = 5, BALANCE = 6,
    ORDER_TRIGGERED = 7, ORDER_LIST = 8,
    ACCOUNT = 10, ASSET = 11, MARKET = 12, FEES = 13, SESSION = 14, HOLD = 15, EPOCH = 16, RULES = 17,
    PREVENTED_MATCH = 18, LIMITS = 19, COUNTDOWN = 20,
}}

codes! { status: u16 {
    OK = 0, UNKNOWN_SESSION = 10, STALE_NUMBER = 11, MALFORMED = 12, UNKNOWN_KIND = 13, NOT_PERMITTED = 14,
    UNKNOWN_ACCOUNT = 20, ACCOUNT_FROZEN = 21, ACCOUNT_MAY_NOT = 22, WRONG_ACCOUNT_CLASS = 23,
    UNKNOWN_ASSET = 30, UNKNOWN_MARKET = 31, MARKET_CLOSED = 32, ALREADY_LISTED = 33, BAD_LISTING = 34,
    BAD_FILTERS = 35, BAD_FEES = 36, BAD_STATE = 37, ASSET_SUSPENDED = 38,
    UNKNOWN_ORDER = 40, DUPLICATE_CLIENT_ID = 41, INSUFFICIENT_BALANCE = 42, WOULD_TAKE = 43,
    AMEND_NOT_SMALLER = 44, REPLACE_REFUSED = 45, REPLACED_WITHOUT_CANCEL = 46,
    PRICE_FILTER = 50, LOT_SIZE = 51, MARKET_LOT_SIZE = 52, NOTIONAL = 53, MAX_NUM_ORDERS = 54,
    PERCENT_PRICE_BY_SIDE = 55, MAX_POSITION = 56, MAX_NUM_ALGO_ORDERS = 57, MAX_NUM_ICEBERG_ORDERS = 58,
    ICEBERG_PARTS = 59, TRAILING_DELTA = 60, MAX_NUM_ORDER_LISTS = 61, MAX_NUM_ORDER_AMENDS = 62, BAD_LIMITS = 63,
    REFERENCE_CONFLICT = 70, UNKNOWN_REFERENCE = 71, ALREADY_ENDED = 72, BAD_AMOUNT = 73, WRONG_EPOCH = 74,
    UNKNOWN_RULES = 75, LIMIT_REACHED = 76,
    WOULD_TRIGGER = 80, NO_LAST_PRICE = 81, BAD_LIST_PRICES = 82, UNKNOWN_LIST = 83,
}}

codes! { side: u8 { BUY = 0, SELL = 1, }}
codes! {
    /// Odd ones have a limit price.
    order_type: u8 {
        LIMIT = 1, MARKET = 2, LIMIT_MAKER = 3,
        STOP_LOSS = 4, STOP_LOSS_LIMIT = 5, TAKE_PROFIT = 6, TAKE_PROFIT_LIMIT = 7,
    }
}
codes! {
    /// Where an open order is: in the book, before its trigger, or behind the working order of its list.
    order_state: u8 { RESTING = 1, WAITING = 2, PENDING = 3, }
}
codes! { contingency: u8 { OCO = 1, OTO = 2, OTOCO = 3, }}
codes! { list_status: u8 { EXEC_STARTED = 1, ALL_DONE = 2, }}
codes! { time_in_force: u8 { GTC = 1, IOC = 2, FOK = 3, }}
codes! {
    /// Self-trade prevention; the taker's mode decides.
    stp: u8 { NONE = 0, EXPIRE_TAKER = 1, EXPIRE_MAKER = 2, EXPIRE_BOTH = 3, DECREMENT = 4, }
}
codes! { role: u8 { TRADE = 1, WALLET = 2, FIAT = 3, ADMIN = 4, }}
codes! { class: u8 {
    USER = 1, MIRROR = 2, FEES = 3, HOUSE = 4, LOSS = 5, SUSPENSE = 6, NETWORK_FEES = 7, WITHDRAWAL_FEES = 8,
}}
codes! { permission: u8 { TRADE = 1, DEPOSIT = 2, WITHDRAW = 4, }}
codes! { market_state: u8 {
    TRADING = 1, CANCEL_ONLY = 2, HALTED = 3, DELISTED = 4, PRE_OPEN = 5, POST_ONLY = 6, PAUSED = 7,
}}
codes! { asset_state: u8 { ACTIVE = 1, SUSPENDED = 2, }}
codes! { fee_component: u8 { STANDARD = 0, SPECIAL = 1, TAX = 2, }}
codes! { close_reason: u8 {
    FILLED = 1, CANCELLED = 2, EXPIRED = 3, EXPIRED_STP = 4, REPLACED = 5, LIST = 6, UNFUNDED = 7,
    EXPIRED_PRICE_RANGE = 10,
}}
codes! { hold_tag: u8 { HELD = 1, SETTLED = 2, RELEASED = 3, }}
codes! { countdown_tag: u8 { SET = 1, STOPPED = 2, FIRED = 3, }}

pub type Status = u16;
pub type Ticks = u64;
pub type Lots = u64;
/// Money in the smallest unit of an asset's ledger scale.
pub type Atoms = i128;

/// Amounts in commands, and the largest value a market may produce for one order, stay below this.
pub const AMOUNT_LIMIT: Atoms = 1 << 100;
pub const CLIENT_ID_MAX: usize = 36;
pub const REFERENCE_MAX: usize = 120;

#[inline]
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

#[inline]
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[inline]
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[inline]
pub fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[inline]
pub fn u128_at(bytes: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(bytes[at..at + 16].try_into().expect("sixteen bytes"))
}

/// Where the thing of this id stands in its list; ids begin at 1, and 0 falls out of every list.
#[inline]
pub fn place_of(id: u32) -> usize {
    (id as usize).wrapping_sub(1)
}

/// One of two numbers, without a branch: for what nobody can foresee, such as the side of an order.
#[inline(always)]
pub fn choose(condition: bool, yes: u32, no: u32) -> u32 {
    std::hint::select_unpredictable(condition, yes, no)
}

#[inline]
pub fn padded(length: usize) -> usize {
    (length + 7) & !7
}

#[inline]
pub fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0)
}
