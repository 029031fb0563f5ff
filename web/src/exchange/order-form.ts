// What somebody wants to order: checked against the market's rules and the own balance before it is sent. All of
// it is pure; the exchange checks again and has the last word.

import {
  ZERO,
  add,
  divide,
  floorTo,
  format,
  isMultiple,
  multiply,
  parse,
  percent,
  smaller,
  type Decimal,
} from './decimal.ts';
import type { Market } from './markets.ts';
import type { OrderSide } from './orders.ts';

export type Kind = 'LIMIT' | 'MARKET' | 'LIMIT_MAKER' | 'STOP_LOSS_LIMIT';
export type TimeInForce = 'GTC' | 'IOC' | 'FOK';

/** As typed. A market order to buy says `total`, how much of the quote asset to spend; others say `quantity`. */
export interface Draft {
  side: OrderSide;
  kind: Kind;
  timeInForce: TimeInForce;
  price: string;
  stopPrice: string;
  quantity: string;
  total: string;
}

export const EMPTY: Draft = {
  side: 'BUY',
  kind: 'LIMIT',
  timeInForce: 'GTC',
  price: '',
  stopPrice: '',
  quantity: '',
  total: '',
};

export type Field = 'price' | 'stopPrice' | 'quantity' | 'total';
export type Problem =
  | 'missing'
  | 'notANumber'
  | 'step'
  | 'tooSmall'
  | 'tooLarge'
  | 'notionalTooSmall'
  | 'notionalTooLarge'
  | 'balanceShort';

/** `bound` is what would have been right. */
export interface Finding {
  field: Field;
  problem: Problem;
  bound?: Decimal;
}

export function fieldsOf(draft: Draft): Field[] {
  if (draft.kind === 'MARKET') return [draft.side === 'BUY' ? 'total' : 'quantity'];
  return draft.kind === 'STOP_LOSS_LIMIT' ? ['stopPrice', 'price', 'quantity'] : ['price', 'quantity'];
}

/** How much of the quote asset the order is worth; undefined while that is open. */
export function worth(draft: Draft): Decimal | undefined {
  if (draft.kind === 'MARKET') return draft.side === 'BUY' ? parse(draft.total) : undefined;
  const price = parse(draft.price);
  const quantity = parse(draft.quantity);
  return price === undefined || quantity === undefined ? undefined : multiply(price, quantity);
}

/** Empty if it may be sent. `free` is of the asset that is paid with; undefined if it is not known. */
export function findings(draft: Draft, market: Market, free: Decimal | undefined): Finding[] {
  const found = fieldsOf(draft).flatMap((field) => check(field, draft, market));
  if (found.length) return found;
  const amountField: Field = fieldsOf(draft).includes('total') ? 'total' : 'quantity';
  return [...notional(draft, market, amountField), ...affordable(draft, amountField, free)].slice(0, 1);
}

function check(field: Field, draft: Draft, market: Market): Finding[] {
  if (!draft[field].trim()) return [{ field, problem: 'missing' }];
  const value = parse(draft[field]);
  if (value === undefined || value < 0n) return [{ field, problem: 'notANumber' }];
  const { step, least, most } = boundsOf(field, draft, market);
  if (value === 0n || value < least) return [{ field, problem: 'tooSmall', bound: least || step }];
  if (most > 0n && value > most) return [{ field, problem: 'tooLarge', bound: most }];
  return isMultiple(value, step) ? [] : [{ field, problem: 'step', bound: step }];
}

function boundsOf(
  field: Field,
  draft: Draft,
  { rules, quoteDigits }: Market,
): { step: Decimal; least: Decimal; most: Decimal } {
  if (field === 'total') {
    return { step: (10n ** BigInt(18 - quoteDigits)) as Decimal, least: ZERO, most: ZERO };
  }
  if (field === 'quantity') {
    const most =
      draft.kind === 'MARKET' ? smaller(rules.marketQuantityMax, rules.quantityMax) : rules.quantityMax;
    return { step: rules.step, least: rules.quantityMin, most };
  }
  return { step: rules.tick, least: rules.priceMin, most: rules.priceMax };
}

function notional(draft: Draft, { rules }: Market, field: Field): Finding[] {
  const value = worth(draft);
  if (value === undefined || (draft.kind === 'MARKET' && !rules.isNotionalForMarket)) return [];
  if (value < rules.notionalMin) return [{ field, problem: 'notionalTooSmall', bound: rules.notionalMin }];
  if (rules.notionalMax !== undefined && value > rules.notionalMax) {
    return [{ field, problem: 'notionalTooLarge', bound: rules.notionalMax }];
  }
  return [];
}

function affordable(draft: Draft, field: Field, free: Decimal | undefined): Finding[] {
  const needed = draft.side === 'BUY' ? worth(draft) : parse(draft.quantity);
  if (free === undefined || needed === undefined || needed <= free) return [];
  return [{ field, problem: 'balanceShort', bound: free }];
}

/** The draft with `share` percent of what is free. Unchanged while the price is open. */
export function withShare(draft: Draft, market: Market, free: Decimal, share: number): Draft {
  const spent = percent(free, share);
  if (draft.side === 'SELL') {
    return { ...draft, quantity: format(floorTo(spent, market.rules.step)) };
  }
  if (draft.kind === 'MARKET') {
    const unit = (10n ** BigInt(18 - market.quoteDigits)) as Decimal;
    return { ...draft, total: format(floorTo(spent, unit)) };
  }
  const price = parse(draft.price);
  if (price === undefined || price <= 0n) return draft;
  return { ...draft, quantity: format(floorTo(divide(spent, price), market.rules.step)) };
}

/** As the API takes it; only of a draft without findings. */
export function parametersOf(draft: Draft, market: Market, clientOrderId: string): Record<string, string> {
  const order = {
    symbol: market.symbol,
    side: draft.side,
    type: draft.kind,
    newClientOrderId: clientOrderId,
    newOrderRespType: 'RESULT', // of some types the exchange says by itself no more than that it has them
  };
  if (draft.kind === 'MARKET') {
    return draft.side === 'BUY'
      ? { ...order, quoteOrderQty: exact(draft.total) }
      : { ...order, quantity: exact(draft.quantity) };
  }
  const limit = { ...order, price: exact(draft.price), quantity: exact(draft.quantity) };
  if (draft.kind === 'LIMIT_MAKER') return limit;
  const timed = { ...limit, timeInForce: draft.timeInForce };
  return draft.kind === 'LIMIT' ? timed : { ...timed, stopPrice: exact(draft.stopPrice) };
}

function exact(typed: string): string {
  return format(parse(typed) ?? ZERO);
}

/** One step of the price up or down, for the arrow keys. */
export function nudged(typed: string, step: Decimal, direction: 1 | -1): string {
  const value = parse(typed) ?? ZERO;
  const next = direction > 0 ? add(floorTo(value, step), step) : floorTo((value - 1n) as Decimal, step);
  return next > 0n ? format(next) : typed;
}
