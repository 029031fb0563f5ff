// Tables: market list, book and tape.
import { change, difference, isZero, trimmed } from './numbers.js';

const LEVELS = 12, TRADES = 24;
const words = document.body.dataset;

export function element(id) { return document.getElementById(id); }
export function clock(time) {
  return new Date(time).toLocaleTimeString(document.documentElement.lang, { hour12: false });
}
export function name(market) { return market.baseAsset + '/' + market.quoteAsset; }
export function tick(market) { return filter(market, 'PRICE_FILTER').tickSize; }
export function step(market) { return filter(market, 'LOT_SIZE').stepSize; }
function filter(market, type) { return market.filters.find((each) => each.filterType === type); }

export function showMarkets(markets, tickers, chosen) {
  const rows = markets.map((market) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = name(market);
    button.setAttribute('aria-pressed', String(market === chosen));
    button.addEventListener('click', () => { location.hash = market.symbol; });
    if (market.status !== 'TRADING') {
      const note = document.createElement('small');
      note.textContent = ' ' + words.paused;
      button.append(note);
    }
    const { open = '0', last = '0' } = tickers.get(market.symbol) ?? {};
    const made = row([button, isZero(last) ? '–' : trimmed(last, tick(market)), change(open, last)]);
    made.lastChild.className = Number(last) < Number(open) ? 'down' : 'up';
    return made;
  });
  const focused = document.activeElement?.textContent;
  replaceRows('markets', rows, words.noMarkets, 3);
  for (const button of element('markets').querySelectorAll('button')) {
    if (focused && button.textContent === focused) button.focus();
  }
}

export function showBook(book, market) {
  const [bids, asks] = [book.best('bids', LEVELS), book.best('asks', LEVELS)];
  const largest = Math.max(0, ...[...asks, ...bids].map(([, quantity]) => Number(quantity)));
  const level = ([price, quantity]) => {
    const made = row([trimmed(price, tick(market)), trimmed(quantity, step(market))]);
    made.style.setProperty('--share', (100 * Number(quantity) / largest).toFixed(1) + '%');
    return made;
  };
  replaceRows('asks', asks.map(level).reverse(), words.noOrders, 2);
  replaceRows('bids', bids.map(level), words.noOrders, 2);
  const spread = asks.length && bids.length ? trimmed(difference(asks[0][0], bids[0][0]), tick(market)) : '–';
  element('spread').textContent = words.spread + ' ' + spread;
}

// `trades` as aggTrades gives them, newest last.
export function showTrades(trades, market) {
  const rows = trades.slice(-TRADES).map((trade) => {
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
  element(id).replaceChildren(...rows);
}
