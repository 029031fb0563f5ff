// Wires what the exchange says to what is shown. Every figure comes from the public API and streams.
import { showDepth } from './depth.js';
import { LiveBook, Refusal, Streams, ask } from './exchange.js';
import { clock, element, name, showBook, showMarkets, showTrades, tick } from './rows.js';

const MARKETS_EVERY_MS = 30000, DRAW_EVERY_MS = 200, TRADES = 24;
const words = document.body.dataset;
const view = {
  markets: [], tickers: new Map(), market: null, book: null, trades: [], streams: [],
  problem: '', liveAt: 0, isDrawn: false,
};
const connection = new Streams({ onOpen: () => attempt(resume), onClose: () => { view.problem = ''; showState(); } });

async function loadMarkets() {
  const [info, tickers] = await Promise.all([ask('exchangeInfo'), ask('ticker/24hr', { type: 'MINI' })]);
  view.markets = info.symbols.filter((each) => each.status !== 'BREAK');
  for (const each of tickers) view.tickers.set(each.symbol, { open: each.openPrice, last: each.lastPrice });
  if (!view.markets.some((each) => each.symbol === view.market?.symbol)) await choose();
}

// After each (re)connection: what was missed is asked for again.
async function resume() {
  await loadMarkets();
  await Promise.all([view.book?.start(), loadTrades()]);
}

async function choose() {
  const asked = location.hash.slice(1);  // a symbol is plain ASCII, never encoded
  const market = view.markets.find((each) => each.symbol === asked) ?? view.markets[0] ?? null;
  connection.leave(view.streams);
  Object.assign(view, { market, book: null, trades: [], streams: [], isDrawn: false });
  for (const place of document.querySelectorAll('.symbol')) place.textContent = market ? name(market) : '';
  if (!market) return;
  const book = view.book = new LiveBook(market.symbol, () => { view.isDrawn = false; });
  const stream = market.symbol.toLowerCase() + '@';
  listen(stream + 'depth@100ms', (event) => book.apply(event));
  listen(stream + 'aggTrade', (event) => addTrades([event]));
  await Promise.all([book.start(), loadTrades()]);
}

function listen(stream, listener) {
  view.streams.push(stream);
  connection.listen(stream, listener);
}

async function loadTrades() {
  const market = view.market;
  if (!market) return;
  const trades = await ask('aggTrades', { symbol: market.symbol, limit: TRADES });
  if (market === view.market) addTrades(trades);
}

// Streams and REST overlap: one trade, one row.
function addTrades(trades) {
  const known = new Map([...view.trades, ...trades].map((each) => [each.a, each]));
  view.trades = [...known.values()].sort((one, other) => one.a - other.a).slice(-TRADES);
  view.isDrawn = false;
}

// What changed since the last time is drawn at most five times a second, and never while nobody looks.
function draw() {
  if (document.hidden || view.isDrawn) return;
  view.isDrawn = true;
  showMarkets(view.markets, view.tickers, view.market);
  if (!view.market) return;
  showTrades(view.trades, view.market);
  if (!view.book?.isCurrent) return;
  showBook(view.book, view.market);
  showDepth(view.book);
}

function showState() {
  const isLive = connection.isOpen && !view.problem && (!view.market || Boolean(view.book?.isCurrent));
  if (isLive) view.liveAt = Date.now();
  document.body.classList.toggle('is-live', isLive);
  document.body.classList.toggle('is-stale', !isLive && (view.liveAt > 0 || Boolean(view.problem)));
  const stale = view.liveAt ? words.stale.replace('{time}', clock(view.liveAt)) : words.never;
  element('state').textContent = isLive ? words.live : view.problem || stale;
}

// Does it, and says on the page what went wrong; the next success wipes that out.
async function attempt(work) {
  try {
    await work();
    view.problem = '';
  } catch (problem) {
    view.problem = problem instanceof Refusal ? words.refused.replace('{reason}', problem.message) : words.never;
    setTimeout(() => attempt(work), problem.waitMs || 2000);
  }
  view.isDrawn = false;
  showState();
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem('theme', theme);
}

connection.listen('!miniTicker@arr', (tickers) => {
  for (const each of tickers) view.tickers.set(each.s, { open: each.o, last: each.c });
  view.isDrawn = false;
});
element('theme').addEventListener('click', () => {
  const shown = document.documentElement.dataset.theme
    ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  setTheme(shown === 'dark' ? 'light' : 'dark');
});
window.addEventListener('hashchange', () => attempt(choose));
if (localStorage.getItem('theme')) setTheme(localStorage.getItem('theme'));
setInterval(draw, DRAW_EVERY_MS);
setInterval(showState, 1000);
setInterval(() => { if (!document.hidden && connection.isOpen) attempt(loadMarkets); }, MARKETS_EVERY_MS);
