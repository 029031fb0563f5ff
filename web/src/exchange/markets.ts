// Markets and what is public about them.

import { ZERO, decimal, digitsOf, subtract, toNumber, type Decimal } from './decimal.ts';
import { askPublic } from './requests.ts';

/** What an order has to keep to; undefined where the market has no such rule. */
export interface Rules {
  tick: Decimal;
  priceMin: Decimal;
  priceMax: Decimal;
  step: Decimal;
  quantityMin: Decimal;
  quantityMax: Decimal;
  marketQuantityMax: Decimal;
  notionalMin: Decimal;
  isNotionalForMarket: boolean;
  notionalMax: Decimal | undefined;
}

export interface Market {
  symbol: string;
  base: string;
  quote: string;
  isTrading: boolean;
  priceDigits: number;
  quantityDigits: number;
  quoteDigits: number;
  rules: Rules;
}

type Filter = { filterType: string } & Record<string, string | boolean | number | undefined>;

interface SymbolInfo {
  symbol: string;
  status: string;
  baseAsset: string;
  quoteAsset: string;
  quoteAssetPrecision: number;
  filters: Filter[];
}

export async function listMarkets(): Promise<Market[]> {
  const info = await askPublic<{ symbols: SymbolInfo[] }>('exchangeInfo');
  return info.symbols.filter((each) => each.status !== 'BREAK').map(marketOf);
}

export function marketOf(info: SymbolInfo): Market {
  const rules = rulesOf(info.filters);
  return {
    symbol: info.symbol,
    base: info.baseAsset,
    quote: info.quoteAsset,
    isTrading: info.status === 'TRADING',
    priceDigits: digitsOf(rules.tick),
    quantityDigits: digitsOf(rules.step),
    quoteDigits: info.quoteAssetPrecision,
    rules,
  };
}

function rulesOf(filters: Filter[]): Rules {
  const value = (type: string, name: string): Decimal | undefined => {
    const text = filters.find((each) => each.filterType === type)?.[name];
    return typeof text === 'string' ? decimal(text) : undefined;
  };
  const notional = filters.find((each) => each.filterType === 'NOTIONAL');
  const quantityMax = value('LOT_SIZE', 'maxQty') ?? ZERO;
  const marketMax = value('MARKET_LOT_SIZE', 'maxQty') ?? quantityMax;
  return {
    tick: value('PRICE_FILTER', 'tickSize') ?? ZERO,
    priceMin: value('PRICE_FILTER', 'minPrice') ?? ZERO,
    priceMax: value('PRICE_FILTER', 'maxPrice') ?? ZERO,
    step: value('LOT_SIZE', 'stepSize') ?? ZERO,
    quantityMin: value('LOT_SIZE', 'minQty') ?? ZERO,
    quantityMax,
    marketQuantityMax: marketMax === ZERO ? quantityMax : marketMax,
    notionalMin: value('NOTIONAL', 'minNotional') ?? value('MIN_NOTIONAL', 'minNotional') ?? ZERO,
    isNotionalForMarket: notional?.['applyMinToMarket'] !== false,
    notionalMax: value('NOTIONAL', 'maxNotional'),
  };
}

/** Of the last 24 hours. */
export interface Ticker {
  last: Decimal;
  open: Decimal;
  high: Decimal;
  low: Decimal;
  volume: Decimal;
  quoteVolume: Decimal;
}

interface MiniTicker {
  symbol: string;
  openPrice: string;
  lastPrice: string;
  highPrice: string;
  lowPrice: string;
  volume: string;
  quoteVolume: string;
}

/** An event of the stream `!miniTicker@arr`. */
export interface MiniTickerEvent {
  s: string;
  c: string;
  o: string;
  h: string;
  l: string;
  v: string;
  q: string;
}

export async function listTickers(): Promise<Map<string, Ticker>> {
  const rows = await askPublic<MiniTicker[]>('ticker/24hr', { type: 'MINI' });
  return new Map(
    rows.map((row) => [
      row.symbol,
      tickerOf({
        s: row.symbol,
        c: row.lastPrice,
        o: row.openPrice,
        h: row.highPrice,
        l: row.lowPrice,
        v: row.volume,
        q: row.quoteVolume,
      }),
    ]),
  );
}

export function tickerOf(event: MiniTickerEvent): Ticker {
  return {
    last: decimal(event.c),
    open: decimal(event.o),
    high: decimal(event.h),
    low: decimal(event.l),
    volume: decimal(event.v),
    quoteVolume: decimal(event.q),
  };
}

/** In percent; undefined while nothing was traded. */
export function changeOf(ticker: Ticker | undefined): number | undefined {
  if (!ticker || ticker.open <= 0n || ticker.last <= 0n) return undefined;
  return (100 * toNumber(subtract(ticker.last, ticker.open))) / toNumber(ticker.open);
}

export interface Trade {
  id: number;
  price: Decimal;
  quantity: Decimal;
  time: number;
  isSell: boolean;
}

/** An aggTrade, of REST or the stream; `m` says that the buyer was there first. */
export interface TradeRow {
  a: number;
  p: string;
  q: string;
  T: number;
  m: boolean;
}

export async function newestTrades(symbol: string, limit: number): Promise<Trade[]> {
  return (await askPublic<TradeRow[]>('aggTrades', { symbol, limit })).map(tradeOf);
}

export function tradeOf(row: TradeRow): Trade {
  return { id: row.a, price: decimal(row.p), quantity: decimal(row.q), time: row.T, isSell: row.m };
}

/** REST and stream overlap: one trade, one row; newest first. */
export function mergeTrades(known: Trade[], more: Trade[], most: number): Trade[] {
  const byId = new Map([...known, ...more].map((each) => [each.id, each]));
  return [...byId.values()].sort((one, other) => other.id - one.id).slice(0, most);
}

/** For drawing: numbers are good enough for pixels. `time` in seconds. */
export interface Candle {
  time: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
}

export const INTERVALS = [
  '1s',
  '1m',
  '3m',
  '5m',
  '15m',
  '30m',
  '1h',
  '2h',
  '4h',
  '6h',
  '8h',
  '12h',
  '1d',
  '3d',
  '1w',
  '1M',
] as const;
export type Interval = (typeof INTERVALS)[number];

type KlineRow = [number, string, string, string, string, string, ...unknown[]];

/** The `k` of a kline event. */
export interface KlineEvent {
  k: { s: string; i: string; t: number; o: string; h: string; l: string; c: string; v: string };
}

export async function candles(
  symbol: string,
  interval: Interval,
  limit: number,
  before?: number,
): Promise<Candle[]> {
  const endTime = before === undefined ? undefined : before * 1_000 - 1;
  const rows = await askPublic<KlineRow[]>('uiKlines', { symbol, interval, limit, endTime });
  return rows.map(([t, o, h, l, c, v]) => candle(t, o, h, l, c, v));
}

export function candleOf({ k }: KlineEvent): Candle {
  return candle(k.t, k.o, k.h, k.l, k.c, k.v);
}

function candle(t: number, o: string, h: string, l: string, c: string, v: string): Candle {
  return {
    time: t / 1_000,
    open: Number(o),
    high: Number(h),
    low: Number(l),
    close: Number(c),
    volume: Number(v),
  };
}
