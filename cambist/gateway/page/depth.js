// The depth of the book, as SVG. Numbers here are for the eye.
import { element } from './rows.js';

const LEVELS = 200, WIDTH = 600, HEIGHT = 160;

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
