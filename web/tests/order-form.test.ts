import { describe, expect, test } from 'vitest';
import {
  EMPTY,
  decimal,
  findings,
  format,
  marketOf,
  nudged,
  parametersOf,
  withShare,
  worth,
  type Draft,
} from '../src/exchange/index.ts';

const MARKET = marketOf({
  symbol: 'BTCUSDT',
  status: 'TRADING',
  baseAsset: 'BTC',
  quoteAsset: 'USDT',
  quoteAssetPrecision: 8,
  filters: [
    { filterType: 'PRICE_FILTER', minPrice: '0.01', maxPrice: '1000000', tickSize: '0.01' },
    { filterType: 'LOT_SIZE', minQty: '0.00001', maxQty: '9000', stepSize: '0.00001' },
    { filterType: 'MARKET_LOT_SIZE', minQty: '0', maxQty: '100', stepSize: '0' },
    { filterType: 'NOTIONAL', minNotional: '5', applyMinToMarket: true, maxNotional: '9000000' },
  ],
});
const RICH = decimal('1000000');

function draft(fields: Partial<Draft>): Draft {
  return { ...EMPTY, price: '100', quantity: '1', ...fields };
}

function problems(fields: Partial<Draft>, free = RICH): string[] {
  return findings(draft(fields), MARKET, free).map(({ field, problem }) => `${field} ${problem}`);
}

describe('what is wrong with an order', () => {
  test.each<[string, Partial<Draft>, string[]]>([
    ['nothing', {}, []],
    ['no price', { price: '' }, ['price missing']],
    ['words', { price: 'cheap' }, ['price notANumber']],
    ['a negative quantity', { quantity: '-1' }, ['quantity notANumber']],
    ['between two ticks', { price: '100.001' }, ['price step']],
    ['between two lots', { quantity: '0.000015' }, ['quantity step']],
    ['too little', { quantity: '0' }, ['quantity tooSmall']],
    ['too much', { quantity: '9000.1', price: '1' }, ['quantity tooLarge']],
    ['worth too little', { quantity: '0.04' }, ['quantity notionalTooSmall']],
    ['exactly enough', { quantity: '0.05' }, []],
    ['worth too much', { quantity: '10', price: '1000000' }, ['quantity notionalTooLarge']],
    ['no stop price', { kind: 'STOP_LOSS_LIMIT' }, ['stopPrice missing']],
    [
      'a market order for more than the market takes',
      { kind: 'MARKET', side: 'SELL', quantity: '101' },
      ['quantity tooLarge'],
    ],
    ['a market order to buy says what to spend', { kind: 'MARKET' }, ['total missing']],
    ['spending too little', { kind: 'MARKET', total: '4.99' }, ['total notionalTooSmall']],
  ])('%s', (_, fields, expected) => {
    expect(problems(fields)).toEqual(expected);
  });

  test('more than there is', () => {
    expect(problems({ quantity: '2' }, decimal('199.99'))).toEqual(['quantity balanceShort']);
    expect(problems({ quantity: '2' }, decimal('200'))).toEqual([]);
    expect(problems({ side: 'SELL', quantity: '2' }, decimal('1.99999'))).toEqual(['quantity balanceShort']);
  });

  test('what is not known is not held against it', () => {
    expect(findings(draft({}), MARKET, undefined)).toEqual([]);
  });
});

describe('a share of what is free', () => {
  test('is never more than that, and fits the lots', () => {
    const half = withShare(draft({ price: '30000.01' }), MARKET, decimal('1000'), 50);
    expect(half.quantity).toBe('0.01666');
    expect(worth(half)! <= decimal('500')).toBe(true);
    expect(withShare(draft({ side: 'SELL' }), MARKET, decimal('0.123456'), 100).quantity).toBe('0.12345');
    expect(withShare(draft({ kind: 'MARKET' }), MARKET, decimal('10.000000009'), 100).total).toBe('10');
  });

  test('of nothing is nothing, and without a price it is left open', () => {
    expect(withShare(draft({}), MARKET, decimal('0'), 100).quantity).toBe('0');
    expect(withShare(draft({ price: '' }), MARKET, RICH, 100).quantity).toBe('1');
  });
});

describe('what is sent', () => {
  test('a limit order', () => {
    expect(parametersOf(draft({ price: '100,50', timeInForce: 'IOC' }), MARKET, 'web-1')).toEqual({
      symbol: 'BTCUSDT',
      side: 'BUY',
      type: 'LIMIT',
      price: '100.5',
      quantity: '1',
      timeInForce: 'IOC',
      newClientOrderId: 'web-1',
      newOrderRespType: 'RESULT',
    });
  });

  test.each<[Partial<Draft>, string[]]>([
    [{ kind: 'LIMIT_MAKER' }, ['price', 'quantity']],
    [{ kind: 'MARKET', total: '7' }, ['quoteOrderQty']],
    [{ kind: 'MARKET', side: 'SELL' }, ['quantity']],
    [{ kind: 'STOP_LOSS_LIMIT', stopPrice: '90' }, ['price', 'quantity', 'stopPrice', 'timeInForce']],
  ])('only what the type takes: %o', (fields, names) => {
    const sent = Object.keys(parametersOf(draft(fields), MARKET, 'web-1'));
    expect(
      sent
        .filter((each) => !['symbol', 'side', 'type', 'newClientOrderId', 'newOrderRespType'].includes(each))
        .sort(),
    ).toEqual(names);
  });
});

test('arrow keys move to the next step, and never to nothing', () => {
  const tick = decimal('0.01');
  expect(nudged('1.005', tick, 1)).toBe('1.01');
  expect(nudged('1.005', tick, -1)).toBe('1');
  expect(nudged('1', tick, -1)).toBe('0.99');
  expect(nudged('0.01', tick, -1)).toBe('0.01');
  expect(nudged('', tick, 1)).toBe('0.01');
});

test('without a rule there is no bound', () => {
  expect(format(MARKET.rules.marketQuantityMax)).toBe('100');
  expect(MARKET.rules.notionalMax).toBe(decimal('9000000'));
});
