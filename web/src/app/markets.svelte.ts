// All markets and their prices, for every page that shows one.

import {
  listMarkets,
  listTickers,
  streams,
  tickerOf,
  type Market,
  type MiniTickerEvent,
  type Ticker,
} from '../exchange/index.ts';

const AGAIN_MS = 30_000;
const RETRY_MS = 2_000;

let markets = $state.raw<Market[]>();
let tickers = $state.raw<ReadonlyMap<string, Ticker>>(new Map());
let isOpen = $state(false);

/** Undefined until the exchange has said which there are. */
export function allMarkets(): Market[] | undefined {
  return markets;
}

export function tickersBySymbol(): ReadonlyMap<string, Ticker> {
  return tickers;
}

/** False while nothing is heard: then what is shown may be old. */
export function isConnected(): boolean {
  return isOpen;
}

export function followMarkets(): void {
  streams.watch((isNowOpen) => {
    isOpen = isNowOpen;
    if (isNowOpen) void load();
  });
  streams.listen<MiniTickerEvent[]>('!miniTicker@arr', (events) => {
    tickers = new Map([...tickers, ...events.map((each) => [each.s, tickerOf(each)] as const)]);
  });
  streams.start();
  setInterval(() => {
    if (isOpen && !document.hidden) void load();
  }, AGAIN_MS);
}

async function load(): Promise<void> {
  try {
    [markets, tickers] = await Promise.all([listMarkets(), listTickers()]);
  } catch {
    if (!markets) setTimeout(() => void load(), RETRY_MS);
  }
}
