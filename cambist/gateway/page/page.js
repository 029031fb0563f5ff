// Asks the public API once a second and shows what it says. Prices stay the strings that they are: only the
// width of a bar in the book is ever calculated, and the spread, in whole units of the last decimal.
'use strict';

const EVERY_MS = 1000, STALE_MS = 5000, TIMEOUT_MS = 4000, INFO_EVERY_MS = 30000;
const LEVELS = 12, TRADES = 20;
const words = document.body.dataset;
const view = { markets: [], chosen: readHash(), answeredAt: 0, infoAt: 0, problem: '' };

function element(id) { return document.getElementById(id); }
function readHash() { return location.hash.slice(1); }  // a symbol is plain ASCII, never encoded

async function ask(path) {
  const response = await fetch('/api/v3/' + path, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: 'no-store' });
  const answer = await response.json();
  if (!response.ok) throw new Refusal(answer.msg, Number(response.headers.get('retry-after') || 0));
  return answer;
}

class Refusal extends Error {
  constructor(message, waitSeconds) { super(message); this.waitMs = waitSeconds * 1000; }
}

async function refresh() {
  const now = Date.now();
  if (now - view.infoAt > INFO_EVERY_MS) {
    view.markets = (await ask('exchangeInfo')).symbols.filter((each) => each.status !== 'BREAK');
    view.infoAt = now;
  }
  if (!view.markets.some((each) => each.symbol === view.chosen)) view.chosen = view.markets[0]?.symbol ?? '';
  const symbol = view.chosen;
  const [prices, book, trades] = await Promise.all([
    ask('ticker/price'),
    symbol && ask('depth?limit=' + LEVELS + '&symbol=' + encodeURIComponent(symbol)),
    symbol && ask('aggTrades?limit=' + TRADES + '&symbol=' + encodeURIComponent(symbol)),
  ]);
  if (symbol !== view.chosen) return;  // another market was chosen meanwhile; its own answer is on its way
  view.answeredAt = Date.now();
  view.problem = '';
  showMarkets(new Map(prices.map((each) => [each.symbol, each.price])));
  if (symbol) { showBook(book); showTrades(trades); }
}

function showMarkets(prices) {
  const rows = view.markets.map((market) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = market.baseAsset + '/' + market.quoteAsset;
    button.setAttribute('aria-pressed', String(market.symbol === view.chosen));
    button.addEventListener('click', () => { location.hash = market.symbol; });
    if (market.status !== 'TRADING') {
      const note = document.createElement('small');
      note.textContent = ' ' + words.paused;
      button.append(note);
    }
    const price = prices.get(market.symbol);
    return row([button, price && /[1-9]/.test(price) ? trimmed(price, tick(market)) : '–']);
  });
  replaceRows('markets', rows, words.noMarkets, 2);
  const chosen = view.markets.find((each) => each.symbol === view.chosen);
  for (const place of document.querySelectorAll('.symbol')) {
    place.textContent = chosen ? chosen.baseAsset + '/' + chosen.quoteAsset : '';
  }
}

function showBook(book) {
  const market = view.markets.find((each) => each.symbol === view.chosen);
  const largest = Math.max(0, ...[...book.asks, ...book.bids].map(([, quantity]) => Number(quantity)));
  const level = ([price, quantity]) => {
    const made = row([trimmed(price, tick(market)), trimmed(quantity, step(market))]);
    made.style.setProperty('--share', (100 * Number(quantity) / largest).toFixed(1) + '%');
    return made;
  };
  replaceRows('asks', book.asks.map(level).reverse(), words.noOrders, 2);
  replaceRows('bids', book.bids.map(level), words.noOrders, 2);
  element('spread').textContent = words.spread + ' ' + spread(book, tick(market));
}

function showTrades(trades) {
  const market = view.markets.find((each) => each.symbol === view.chosen);
  const rows = trades.map((trade) => {
    const made = row([trimmed(trade.p, tick(market)), trimmed(trade.q, step(market)), clock(trade.T)]);
    made.className = trade.m ? 'sell' : 'buy';
    return made;
  });
  replaceRows('trades', rows.reverse(), words.noTrades, 3);
}

function row(cells) {
  const made = document.createElement('tr');
  for (const content of cells) {
    const cell = document.createElement('td');
    cell.append(content);
    made.append(cell);
  }
  return made;
}

function replaceRows(id, rows, ifNone, columns) {
  if (!rows.length) {
    const none = row([ifNone]);
    none.className = 'nothing';
    none.firstChild.colSpan = columns;
    rows = [none];
  }
  const focused = document.activeElement?.textContent;
  element(id).replaceChildren(...rows);
  if (id === 'markets' && focused) {
    for (const button of element(id).querySelectorAll('button')) if (button.textContent === focused) button.focus();
  }
}

function tick(market) { return filter(market, 'PRICE_FILTER').tickSize; }
function step(market) { return filter(market, 'LOT_SIZE').stepSize; }
function filter(market, type) { return market.filters.find((each) => each.filterType === type); }

// "50000.10000000" with a step of "0.01000000" is 50000.10: no digit that can be other than zero is cut off.
function trimmed(text, stepText) {
  const decimals = stepText.replace(/0+$/, '').split('.')[1]?.length ?? 0;
  const [whole, rest = ''] = text.split('.');
  return decimals ? whole + '.' + rest.slice(0, decimals) : whole;
}

function spread(book, tickText) {
  if (!book.asks.length || !book.bids.length) return '–';
  const [ask, bid] = [book.asks[0][0], book.bids[0][0]];
  const scale = ask.split('.')[1]?.length ?? 0;
  const units = BigInt(ask.replace('.', '')) - BigInt(bid.replace('.', ''));
  const digits = units.toString().padStart(scale + 1, '0');
  return trimmed(scale ? digits.slice(0, -scale) + '.' + digits.slice(-scale) : digits, tickText);
}

function clock(time) { return new Date(time).toLocaleTimeString(document.documentElement.lang, { hour12: false }); }

function showState() {
  const age = Date.now() - view.answeredAt;
  const isStale = Boolean(view.problem) || (view.answeredAt > 0 && age > STALE_MS);
  document.body.classList.toggle('is-stale', isStale);
  document.body.classList.toggle('is-live', !isStale && view.answeredAt > 0);
  if (isStale) element('state').textContent = view.problem || words.stale.replace('{time}', clock(view.answeredAt));
  else if (view.answeredAt) element('state').textContent = words.live;
}

function explain(problem) {
  if (problem instanceof Refusal) return words.refused.replace('{reason}', problem.message);
  if (!view.answeredAt) return words.never;
  return Date.now() - view.answeredAt > STALE_MS ? words.stale.replace('{time}', clock(view.answeredAt)) : '';
}

async function run() {
  for (;;) {
    let wait = EVERY_MS;
    if (!document.hidden) {
      try {
        await refresh();
      } catch (problem) {
        view.problem = explain(problem);
        wait = Math.max(wait, problem.waitMs ?? 0);
      }
      showState();
    }
    await new Promise((resolve) => { setTimeout(resolve, wait); });
  }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem('theme', theme);
}

element('theme').addEventListener('click', () => {
  const shown = document.documentElement.dataset.theme
    ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
  setTheme(shown === 'dark' ? 'light' : 'dark');
});
window.addEventListener('hashchange', () => {
  view.chosen = readHash();
  refresh().catch((problem) => { view.problem = explain(problem); }).finally(showState);
});
if (localStorage.getItem('theme')) setTheme(localStorage.getItem('theme'));
setInterval(showState, EVERY_MS);
run();
