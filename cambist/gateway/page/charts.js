// What is drawn: candles (lightweight-charts) and the depth of the book (SVG). Numbers here are for the eye.
import { element } from './rows.js';

const LEVELS = 200, WIDTH = 600, HEIGHT = 160;

function colour(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

// Candles of one market and interval. Without the library (it comes with npm) the place says so.
export class CandleChart {
  static async create() {
    try {
      return new CandleChart(await import('/lightweight-charts.js'));
    } catch {
      element('candles').textContent = document.body.dataset.noChart;
      return null;
    }
  }

  constructor(library) {
    this.chart = library.createChart(element('candles'), {
      autoSize: true,
      timeScale: { timeVisible: true, rightOffset: 4 },
      layout: { attributionLogo: false },  // the footer names the library
    });
    this.candles = this.chart.addSeries(library.CandlestickSeries, {});
    this.volumes = this.chart.addSeries(library.HistogramSeries, {
      priceScaleId: '', priceFormat: { type: 'volume' }, lastValueVisible: false, priceLineVisible: false,
    });
    this.volumes.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.dress();
  }

  // Again after a change between light and dark.
  dress() {
    const [ink, line, buy, sell] = ['--quiet', '--line', '--buy', '--sell'].map(colour);
    this.chart.applyOptions({
      layout: { background: { color: 'transparent' }, textColor: ink },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line },
      localization: { locale: document.documentElement.lang },
    });
    this.candles.applyOptions({
      upColor: buy, downColor: sell, borderVisible: false, wickUpColor: buy, wickDownColor: sell,
    });
  }

  // `rows` as klines gives them, oldest first; `tick` is the market's price step.
  show(rows, tick) {
    const decimals = tick.replace(/0+$/, '').split('.')[1]?.length ?? 0;
    this.candles.applyOptions({
      priceFormat: { type: 'price', precision: decimals, minMove: Number('1e-' + decimals) },
    });
    const bars = rows.map(([time, open, high, low, close, volume]) => bar(time, open, high, low, close, volume));
    this.candles.setData(bars);
    this.volumes.setData(bars.map((each) => this.volume(each)));
    this.newest = bars.at(-1)?.time ?? 0;
    this.chart.timeScale().scrollToRealTime();
  }

  // The `k` of a kline event.
  update({ t, o, h, l, c, v }) {
    const newest = bar(t, o, h, l, c, v);
    if (newest.time < this.newest) return;  // the last word on a bar that is no longer the newest
    this.newest = newest.time;
    this.candles.update(newest);
    this.volumes.update(this.volume(newest));
  }

  volume({ time, open, close, volume }) {
    return { time, value: volume, color: colour(close < open ? '--sell-bar' : '--buy-bar') };
  }
}

function bar(time, open, high, low, close, volume) {
  const [o, h, l, c, v] = [open, high, low, close, volume].map(Number);
  return { time: time / 1000, open: o, high: h, low: l, close: c, volume: v };
}

// Cumulated quantity on both sides, as far from the middle as both sides reach.
export function showDepth(book) {
  const [bids, asks] = [cumulated(book.best('bids', LEVELS)), cumulated(book.best('asks', LEVELS))];
  const shape = element('depth');
  if (!bids.length || !asks.length) {
    shape.replaceChildren();
    return;
  }
  const middle = (bids[0].price + asks[0].price) / 2;
  const reach = Math.min(middle - bids.at(-1).price, asks.at(-1).price - middle) || middle / 100;
  const inside = (levels) => levels.filter(({ price }) => Math.abs(price - middle) <= reach * 1.001);
  const sides = [inside(bids), inside(asks)];
  const top = Math.max(...sides.flat().map(({ total }) => total));
  const x = (price) => WIDTH / 2 + (price - middle) / reach * WIDTH / 2;
  const y = (total) => HEIGHT - total / top * (HEIGHT - 8);
  shape.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
  shape.replaceChildren(...sides.map((levels, side) => area(levels, x, y, side ? 'asks' : 'bids')));
}

function cumulated(levels) {
  let total = 0;
  return levels.map(([price, quantity]) => ({ price: Number(price), total: total += Number(quantity) }));
}

function area(levels, x, y, side) {
  const edge = side === 'bids' ? 0 : WIDTH;
  let path = `M${x(levels[0].price)} ${HEIGHT}`;
  for (const { price, total } of levels) path += `H${x(price).toFixed(1)}V${y(total).toFixed(1)}`;
  const shape = document.createElementNS(element('depth').namespaceURI, 'path');
  shape.setAttribute('d', path + `H${edge}V${HEIGHT}Z`);
  shape.setAttribute('class', side);
  return shape;
}
