import { expect, test } from 'vitest';
import { after, decimal, format, type Holdings } from '../src/exchange/index.ts';

const NOTHING: Holdings = { isCurrent: true, balances: [], open: [], closed: [] };

function report(status: string, executed = '0') {
  return {
    e: 'executionReport' as const,
    s: 'BTCUSDT',
    i: 7,
    S: 'BUY' as const,
    o: 'LIMIT',
    f: 'GTC',
    X: status,
    p: '100',
    P: '0',
    q: '2',
    z: executed,
    Z: '0',
    O: 1,
  };
}

test('an order is open until it has ended, and shown once', () => {
  let held = after(NOTHING, report('NEW'));
  held = after(held, report('PARTIALLY_FILLED', '1'));
  expect(held.open.map((each) => format(each.executed))).toEqual(['1']);
  held = after(held, report('FILLED', '2'));
  expect(held.open).toEqual([]);
  expect(held.closed.map((each) => each.status)).toEqual(['FILLED']);
});

test('a balance is what was said last', () => {
  const position = (free: string) => ({
    e: 'outboundAccountPosition' as const,
    B: [{ a: 'BTC', f: free, l: '0.5' }],
  });
  const held = after(after(NOTHING, position('1')), position('2'));
  expect(held.balances).toEqual([{ asset: 'BTC', free: decimal('2'), locked: decimal('0.5') }]);
});
