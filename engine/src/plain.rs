//! Plain orders: what nearly every trading request is, from its bytes to the command, and from the record to the answer.
//!
//! Whatever is not plain is `None`, before anything has happened: then the general way in Python reads the same bytes,
//! does what they ask for, or says what is wrong with them. It is the oracle, too: both give the same commands and the
//! same answers (docs/decisions/0091). Nothing here touches the engine.

use std::io::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::decimal::{push_atoms, push_number, Decimal};
use crate::wire::*;

const HEADERS_MAX: usize = 32;
const NS_PER_MS: i64 = 1_000_000;
const AHEAD_MAX_NS: i64 = 1_000_000_000;
/// A timestamp below this is in milliseconds, from it on in microseconds.
const MICROSECONDS_FROM: i64 = 100_000_000_000_000;
const API_KEY_LENGTH: usize = 64;
const SYMBOL_MAX: usize = 32;

const SIDES: [&str; 2] = ["BUY", "SELL"];
const ORDER_TYPES: [&str; 8] =
    ["", "LIMIT", "MARKET", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"];
const TIMES_IN_FORCE: [&str; 4] = ["", "GTC", "IOC", "FOK"];
const STP_MODES: [&str; 5] = ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"];
const RESPONSES: [&str; 3] = ["ACK", "RESULT", "FULL"];
const ACK: u8 = 0;
const FULL: u8 = 2;

/// A secret that signs requests.
pub struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    pub fn new(secret: &[u8]) -> Self {
        HmacKey(Hmac::new_from_slice(secret).expect("a key of any length"))
    }

    /// Takes as long for a nearly right signature as for any other. `signature` is 64 hex digits of either case.
    pub fn is_signed(&self, signature: &[u8], payload: &[u8]) -> bool {
        let mut digest = [0; 32];
        if signature.len() != 2 * digest.len() {
            return false;
        }
        for (byte, digits) in digest.iter_mut().zip(signature.chunks_exact(2)) {
            let (Some(high), Some(low)) = ((digits[0] as char).to_digit(16), (digits[1] as char).to_digit(16)) else {
                return false;
            };
            *byte = (high << 4 | low) as u8;
        }
        let mut mac = self.0.clone();
        mac.update(payload);
        mac.verify_slice(&digest).is_ok()
    }
}

/// How a market's prices and quantities are read and written.
#[derive(Clone, Default)]
pub struct Terms {
    pub market: u32,
    pub base: String,
    pub quote: String,
    pub base_scale: u8,
    pub quote_scale: u8,
    pub tick_atoms: u64,
    pub lot_atoms: u64,
}

/// How long a request may be under way, in milliseconds.
#[derive(Clone, Copy)]
pub struct Windows {
    pub default_ms: i64,
    pub max_ms: i64,
}

struct Place {
    side: u8,
    order_type: u8,
    time_in_force: u8,
    stp: u8,
    response: u8,
    price: Option<Decimal>,
    quantity: Decimal,
}

struct Cancel {
    order_id: u64,
    client_id: String,
}

enum Wish {
    Place(Place),
    Cancel(Cancel),
}

/// A request that could be read; whether it is signed and in time is for `command` to say.
pub struct Request {
    pub api_key: String,
    pub symbol: String,
    /// The order's name, or a cancel's own.
    pub client_id: Option<String>,
    wish: Wish,
    /// Query or body as it came, and how much of it the signature covers.
    part: Vec<u8>,
    signed: usize,
    signature: [u8; 64],
    sent_ns: i64,
    window_ms: Option<i64>,
}

/// What became of an order that was accepted, or of one that was cancelled.
pub struct Answer {
    /// JSON
    pub body: Vec<u8>,
    pub sequence: u64,
    pub order_id: u64,
    /// Accounts and ids of the orders that it traded with.
    pub makers: Vec<(u32, u64)>,
    pub is_open: bool,
}

/// What the headers of an answer say beside its length.
pub struct Ending<'a> {
    pub request_id: &'a [u8],
    /// Of ten seconds and of a day; None for a cancel.
    pub order_counts: Option<(u64, u64)>,
    pub used_weight: i64,
    /// Whether the connection is closed behind it.
    pub is_last: bool,
}

/// The whole answer of an order that succeeded. `first_lines` are the headers that all answers have.
pub fn response(first_lines: &[u8], ending: &Ending, body: &[u8]) -> Vec<u8> {
    let mut response = Vec::with_capacity(first_lines.len() + body.len() + 320);
    response.extend(b"HTTP/1.1 200 OK\r\n");
    response.extend(first_lines);
    push_header(&mut response, "content-length", body.len() as u64);
    response.extend(b"x-request-id: ");
    response.extend(ending.request_id);
    response.extend(b"\r\n");
    if let Some((in_10s, in_1d)) = ending.order_counts {
        push_header(&mut response, "x-mbx-order-count-10s", in_10s);
        push_header(&mut response, "x-mbx-order-count-1d", in_1d);
    }
    push_header(&mut response, "x-mbx-used-weight", ending.used_weight);
    push_header(&mut response, "x-mbx-used-weight-1m", ending.used_weight);
    if ending.is_last {
        response.extend(b"connection: close\r\n");
    }
    response.extend(b"\r\n");
    response.extend(body);
    response
}

/// A whole request to place or cancel one order, and nothing behind it.
pub fn read(data: &[u8]) -> Option<Request> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(end) = head.parse(data).ok()? else { return None };
    let is_place = match head.method? {
        "POST" => true,
        "DELETE" => false,
        _ => return None,
    };
    if !data.starts_with(if is_place { b"POST " } else { b"DELETE " }) || !has_whole_lines(&data[..end]) {
        return None;
    }
    let query = match head.path?.strip_prefix("/api/v3/order")? {
        "" => "",
        rest => rest.strip_prefix('?')?,
    };
    if head.version? != 1 {
        return None;
    }
    let (api_key, length) = read_headers(head.headers)?;
    let body = &data[end..];
    if body.len() != length {
        return None;
    }
    let part = match (query.as_bytes(), body) {
        (query, b"") => query,
        (b"", body) => body,
        _ => return None,
    };
    let params = Params::read(part)?;
    if is_place {
        params.place(api_key, part)
    } else {
        params.cancel(api_key, part)
    }
}

/// Lines end in CR LF here; the library would take a lone LF for one, too.
fn has_whole_lines(head: &[u8]) -> bool {
    let feeds = head.iter().filter(|&&byte| byte == b'\n').count();
    head.windows(2).filter(|pair| pair == b"\r\n").count() == feeds
}

/// API key and length of the body, if no header asks for anything unusual.
fn read_headers<'a>(headers: &[httparse::Header<'a>]) -> Option<(&'a [u8], usize)> {
    let (mut api_key, mut length) = (None, None);
    for header in headers {
        let name = header.name;
        let is = |other| name.eq_ignore_ascii_case(other);
        if is("x-mbx-apikey") {
            if api_key.replace(header.value).is_some() {
                return None;
            }
        } else if is("content-length") {
            if length.replace(number(header.value)?).is_some() {
                return None;
            }
        } else if is("connection") {
            if !header.value.eq_ignore_ascii_case(b"keep-alive") {
                return None;
            }
        } else if ["transfer-encoding", "upgrade", "expect", "proxy-connection", "x-mbx-time-unit"].into_iter().any(is)
        {
            return None;
        }
    }
    let api_key = api_key.filter(|key| key.len() == API_KEY_LENGTH && key.iter().all(u8::is_ascii_alphanumeric))?;
    Some((api_key, usize::try_from(length.unwrap_or(0)).ok()?))
}

/// The parameters that a plain request may have, as they came.
#[derive(Default)]
struct Params<'a> {
    symbol: Option<&'a str>,
    side: Option<&'a str>,
    order_type: Option<&'a str>,
    time_in_force: Option<&'a str>,
    quantity: Option<&'a str>,
    price: Option<&'a str>,
    client_id: Option<&'a str>,
    response: Option<&'a str>,
    stp: Option<&'a str>,
    order_id: Option<&'a str>,
    cancelled: Option<&'a str>,
    window: Option<&'a str>,
    timestamp: Option<&'a str>,
    signature: Option<&'a str>,
    /// How many bytes the signature covers.
    signed: usize,
}

impl<'a> Params<'a> {
    fn read(part: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(part).ok()?;
        let mut params = Params::default();
        let mut at = 0;
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=')?;
            let place = match name {
                "symbol" => &mut params.symbol,
                "side" => &mut params.side,
                "type" => &mut params.order_type,
                "timeInForce" => &mut params.time_in_force,
                "quantity" => &mut params.quantity,
                "price" => &mut params.price,
                "newClientOrderId" => &mut params.client_id,
                "newOrderRespType" => &mut params.response,
                "selfTradePreventionMode" => &mut params.stp,
                "orderId" => &mut params.order_id,
                "origClientOrderId" => &mut params.cancelled,
                "recvWindow" => &mut params.window,
                "timestamp" => &mut params.timestamp,
                "signature" => &mut params.signature,
                _ => return None,
            };
            if !is_plain(value) || place.replace(value).is_some() || params.signed > 0 {
                return None;
            }
            if params.signature.is_some() {
                params.signed = at.max(1) - 1; // the last one; without the `&` before it
            }
            at += pair.len() + 1;
        }
        Some(params)
    }

    fn place(&self, api_key: &[u8], part: &[u8]) -> Option<Request> {
        let order_type = code(&ORDER_TYPES[..=order_type::LIMIT_MAKER as usize], self.order_type?)?;
        let has_price = order_type % 2 == 1;
        let time_in_force = match (order_type, self.time_in_force) {
            (order_type::LIMIT, Some(name)) => code(&TIMES_IN_FORCE, name)?,
            (order_type::LIMIT_MAKER, None) => time_in_force::GTC,
            (order_type::MARKET, None) => time_in_force::IOC,
            _ => return None,
        };
        if has_price != self.price.is_some() || self.order_id.is_some() || self.cancelled.is_some() {
            return None;
        }
        let response = match self.response {
            Some(name) => code(&RESPONSES, name)?,
            None if order_type == order_type::LIMIT_MAKER => ACK,
            None => FULL,
        };
        let place = Place {
            side: code(&SIDES, self.side?)?,
            order_type,
            time_in_force,
            stp: self.stp.map_or(Some(stp::EXPIRE_MAKER), |name| code(&STP_MODES, name))?,
            response,
            price: self.price.map_or(Some(None), |text| Decimal::read(text).map(Some))?,
            quantity: Decimal::read(self.quantity?)?,
        };
        self.request(Wish::Place(place), api_key, part)
    }

    fn cancel(&self, api_key: &[u8], part: &[u8]) -> Option<Request> {
        let others =
            [self.side, self.order_type, self.time_in_force, self.quantity, self.price, self.response, self.stp];
        if others.iter().any(Option::is_some) {
            return None;
        }
        let order_id = self.order_id.map_or(Some(0), |text| number(text.as_bytes()).filter(|&id| id > 0))?;
        let client_id = self.cancelled.unwrap_or_default();
        if (order_id == 0 && client_id.is_empty()) || client_id.len() > CLIENT_ID_MAX || client_id.contains('.') {
            return None;
        }
        let cancel = Cancel { order_id: order_id as u64, client_id: client_id.into() };
        self.request(Wish::Cancel(cancel), api_key, part)
    }

    fn request(&self, wish: Wish, api_key: &[u8], part: &[u8]) -> Option<Request> {
        let timestamp = number(self.timestamp?.as_bytes())?;
        let unit_ns = if timestamp < MICROSECONDS_FROM { NS_PER_MS } else { 1_000 };
        let client_id = self.client_id;
        if client_id.is_some_and(|id| id.len() > CLIENT_ID_MAX || id.contains('.')) || self.signed == 0 {
            return None;
        }
        Some(Request {
            api_key: String::from_utf8(api_key.to_vec()).ok()?,
            symbol: self.symbol.filter(|symbol| symbol.len() <= SYMBOL_MAX)?.into(),
            client_id: client_id.map(Into::into),
            wish,
            part: part.to_vec(),
            signed: self.signed,
            signature: self.signature?.as_bytes().try_into().ok()?,
            sent_ns: timestamp.checked_mul(unit_ns)?,
            window_ms: self.window.map_or(Some(None), |text| number(text.as_bytes()).map(Some))?,
        })
    }
}

/// Bytes that mean themselves in every place where they may stand: in a query, a form and a JSON string.
fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn code(names: &[&str], name: &str) -> Option<u8> {
    names.iter().position(|&known| known == name).map(|at| at as u8)
}

fn number(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |number, digit| 10 * number + (digit - b'0') as i64))
}

impl Request {
    pub fn is_place(&self) -> bool {
        matches!(self.wish, Wish::Place(_))
    }

    /// The parameters as they came.
    pub fn part(&self) -> &[u8] {
        &self.part
    }

    fn is_timely(&self, now_ns: i64, windows: Windows) -> bool {
        let window_ms = self.window_ms.unwrap_or(windows.default_ms);
        self.sent_ns < now_ns + AHEAD_MAX_NS
            && window_ms <= windows.max_ms
            && now_ns - self.sent_ns <= window_ms * NS_PER_MS
    }

    /// Whether the key signed this, in time.
    pub fn is_good(&self, key: &HmacKey, now_ns: i64, windows: Windows) -> bool {
        self.is_timely(now_ns, windows) && key.is_signed(&self.signature, &self.part[..self.signed])
    }

    /// The command, if price and quantity are whole steps. `client_id` is what the order is called, or the cancel.
    pub fn command(&self, account: u32, terms: &Terms, client_id: &str) -> Option<Vec<u8>> {
        match &self.wish {
            Wish::Place(place) => place.command(account, terms, client_id),
            Wish::Cancel(cancel) => Some(cancel.command(account, terms.market, client_id)),
        }
    }

    /// None for a refusal, and for everything that does not happen to most orders.
    pub fn answer(&self, record: &[u8], terms: &Terms, client_id: &str) -> Option<Answer> {
        if record.len() < RESULT || u16_at(record, 8) != status::OK {
            return None;
        }
        match &self.wish {
            Wish::Place(place) => place.answer(record, terms, &self.symbol, client_id),
            Wish::Cancel(_) => cancelled(record, terms, &self.symbol, client_id),
        }
    }
}

const HEADER: usize = 24;
const RESULT: usize = 48;
/// Where in a RESULT.
const SEQUENCE: usize = 24;

fn command(kind: u8, account: u32, market: u32, size: usize) -> Vec<u8> {
    let mut command = Vec::with_capacity(padded(size));
    command.extend((padded(size) as u16).to_le_bytes());
    command.extend([kind, 0]);
    command.extend([0; 12]); // session and number are the sender's
    command.extend(account.to_le_bytes());
    command.extend(market.to_le_bytes());
    command
}

fn finished(mut command: Vec<u8>) -> Vec<u8> {
    command.resize(padded(command.len()), 0);
    command
}

impl Place {
    fn command(&self, account: u32, terms: &Terms, client_id: &str) -> Option<Vec<u8>> {
        let price = self.price.map_or(Some(0), |price| price.steps(terms.quote_scale, terms.tick_atoms))?;
        let quantity = self.quantity.steps(terms.base_scale, terms.lot_atoms)?;
        let mut command = command(kind::PLACE, account, terms.market, HEADER + 24 + client_id.len());
        command.extend([self.side, self.order_type, self.time_in_force, self.stp, client_id.len() as u8, 0, 0, 0]);
        command.extend(price.to_le_bytes());
        command.extend(quantity.to_le_bytes());
        command.extend(client_id.as_bytes());
        Some(finished(command))
    }

    fn answer(&self, record: &[u8], terms: &Terms, symbol: &str, client_id: &str) -> Option<Answer> {
        let order_id = u64_at(record, 40);
        let mut answer = Answer {
            body: Vec::with_capacity(640),
            sequence: u64_at(record, SEQUENCE),
            order_id,
            makers: Vec::new(),
            is_open: true,
        };
        let (mut lots, mut value, mut fills) = (0_u64, 0_u128, Vec::new());
        for event in Events(&record[RESULT..]) {
            match event[2] {
                event::ORDER_ACCEPTED | event::LEVEL | event::BALANCE => {}
                event::TRADE if u64_at(event, 40) == order_id => {
                    lots = lots.checked_add(u64_at(event, 24))?;
                    value = value.checked_add(u128_at(event, 56))?;
                    answer.makers.push((u32_at(event, 48), u64_at(event, 32)));
                    fills.push(event);
                }
                event::ORDER_CLOSED if event[23] == close_reason::FILLED => {
                    answer.is_open &= u64_at(event, 8) != order_id;
                }
                _ => return None,
            }
        }
        let body = &mut answer.body;
        push_ids(body, symbol, order_id, client_id, i64_at(record, 32) / NS_PER_MS);
        if self.response != ACK {
            let price = self.price.map_or(Some(0), |price| price.atoms(terms.quote_scale))?;
            push_amount(body, "price", price, terms.quote_scale);
            push_amount(body, "origQty", self.quantity.atoms(terms.base_scale)?, terms.base_scale);
            push_amount(body, "executedQty", terms.quantity(lots), terms.base_scale);
            push_amount(body, "origQuoteOrderQty", 0, terms.quote_scale);
            push_amount(body, "cummulativeQuoteQty", value, terms.quote_scale);
            let status = match (answer.is_open, lots) {
                (false, _) => "FILLED",
                (true, 0) => "NEW",
                (true, _) => "PARTIALLY_FILLED",
            };
            push_text(body, "status", status);
            push_kind(body, self.order_type, self.time_in_force, self.side);
            push_name(body, "workingTime");
            push_number(body, i64_at(record, 32) as u128 / NS_PER_MS as u128);
            push_text(body, "selfTradePreventionMode", STP_MODES[self.stp as usize]);
        }
        if self.response == FULL {
            push_name(body, "fills");
            self.push_fills(body, &fills, terms);
        }
        body.push(b'}');
        Some(answer)
    }

    fn push_fills(&self, body: &mut Vec<u8>, fills: &[&[u8]], terms: &Terms) {
        // What is received pays the fee.
        let (asset, scale) = match self.side {
            side::BUY => (&terms.base, terms.base_scale),
            _ => (&terms.quote, terms.quote_scale),
        };
        body.push(b'[');
        for (nth, trade) in fills.iter().enumerate() {
            body.extend(if nth == 0 { &b"{\"price\":\""[..] } else { b",{\"price\":\"" });
            push_atoms(body, terms.price(u64_at(trade, 16)), terms.quote_scale);
            body.push(b'"');
            push_amount(body, "qty", terms.quantity(u64_at(trade, 24)), terms.base_scale);
            push_amount(body, "commission", u128_at(trade, 88), scale);
            push_text(body, "commissionAsset", asset);
            push_name(body, "tradeId");
            push_number(body, u64_at(trade, 8) as u128);
            body.push(b'}');
        }
        body.push(b']');
    }
}

impl Cancel {
    fn command(&self, account: u32, market: u32, request_id: &str) -> Vec<u8> {
        let texts = self.client_id.len() + request_id.len();
        let mut command = command(kind::CANCEL, account, market, HEADER + 16 + texts);
        command.extend(self.order_id.to_le_bytes());
        command.extend([self.client_id.len() as u8, request_id.len() as u8, 0, 0, 0, 0, 0, 0]);
        command.extend(self.client_id.as_bytes());
        command.extend(request_id.as_bytes());
        finished(command)
    }
}

/// The answer to a cancel that ended one order, and no list.
fn cancelled(record: &[u8], terms: &Terms, symbol: &str, request_id: &str) -> Option<Answer> {
    let mut found = None;
    for event in Events(&record[RESULT..]) {
        match event[2] {
            event::LEVEL | event::BALANCE => {}
            event::ORDER_CLOSED if found.is_none() => found = Some(event),
            _ => return None,
        }
    }
    let closed = found?;
    let client_id = std::str::from_utf8(closed.get(80..80 + closed[72] as usize)?).ok()?;
    if !client_id.is_empty() && !is_plain(client_id) {
        return None;
    }
    let order_id = u64_at(closed, 8);
    let mut body = Vec::with_capacity(512);
    body.extend(b"{\"symbol\":\"");
    body.extend(symbol.as_bytes());
    body.push(b'"');
    push_text(&mut body, "origClientOrderId", client_id);
    push_name(&mut body, "orderId");
    push_number(&mut body, order_id as u128);
    push_name(&mut body, "orderListId");
    body.extend(b"-1");
    push_text(&mut body, "clientOrderId", request_id);
    push_name(&mut body, "transactTime");
    push_number(&mut body, i64_at(record, 32) as u128 / NS_PER_MS as u128);
    push_amount(&mut body, "price", terms.price(u64_at(closed, 24)), terms.quote_scale);
    push_amount(&mut body, "origQty", terms.quantity(u64_at(closed, 32)), terms.base_scale);
    push_amount(&mut body, "executedQty", terms.quantity(u64_at(closed, 40)), terms.base_scale);
    push_amount(&mut body, "origQuoteOrderQty", 0, terms.quote_scale);
    push_amount(&mut body, "cummulativeQuoteQty", u128_at(closed, 48), terms.quote_scale);
    push_text(&mut body, "status", "CANCELED");
    push_kind(&mut body, closed[20], closed[21], closed[3] & 1);
    push_text(&mut body, "selfTradePreventionMode", STP_MODES[closed[22] as usize]);
    body.push(b'}');
    Some(Answer { body, sequence: u64_at(record, SEQUENCE), order_id, makers: Vec::new(), is_open: false })
}

/// The events behind a RESULT, each as its bytes.
struct Events<'a>(&'a [u8]);

impl<'a> Iterator for Events<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let (event, rest) = self.0.split_at(u16_at(self.0, 0) as usize);
        self.0 = rest;
        Some(event)
    }
}

impl Terms {
    fn price(&self, ticks: Ticks) -> u128 {
        ticks as u128 * self.tick_atoms as u128
    }

    fn quantity(&self, lots: Lots) -> u128 {
        lots as u128 * self.lot_atoms as u128
    }
}

fn push_header(head: &mut Vec<u8>, name: &str, value: impl std::fmt::Display) {
    write!(head, "{name}: {value}\r\n").expect("memory takes every byte");
}

// JSON: every text that comes here is plain.

fn push_ids(body: &mut Vec<u8>, symbol: &str, order_id: u64, client_id: &str, time_ms: i64) {
    body.extend(b"{\"symbol\":\"");
    body.extend(symbol.as_bytes());
    body.extend(b"\",\"orderId\":");
    push_number(body, order_id as u128);
    body.extend(b",\"orderListId\":-1,\"clientOrderId\":\"");
    body.extend(client_id.as_bytes());
    body.extend(b"\",\"transactTime\":");
    push_number(body, time_ms as u128);
}

/// Orders without a limit price are immediate inside, and GTC to clients.
fn push_kind(body: &mut Vec<u8>, order_type: u8, time_in_force: u8, side: u8) {
    let time_in_force = if order_type % 2 == 1 { time_in_force } else { time_in_force::GTC };
    push_text(body, "timeInForce", TIMES_IN_FORCE[time_in_force as usize]);
    push_text(body, "type", ORDER_TYPES[order_type as usize]);
    push_text(body, "side", SIDES[side as usize]);
}

fn push_name(body: &mut Vec<u8>, name: &str) {
    body.extend(b",\"");
    body.extend(name.as_bytes());
    body.extend(b"\":");
}

fn push_text(body: &mut Vec<u8>, name: &str, text: &str) {
    push_name(body, name);
    body.push(b'"');
    body.extend(text.as_bytes());
    body.push(b'"');
}

fn push_amount(body: &mut Vec<u8>, name: &str, atoms: u128, scale: u8) {
    push_name(body, name);
    body.push(b'"');
    push_atoms(body, atoms, scale);
    body.push(b'"');
}
