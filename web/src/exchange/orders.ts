// Own orders and balances: as REST lists them, kept current by the user data stream.

import { ZERO, add, decimal, type Decimal } from './decimal.ts';
import { askOwn } from './requests.ts';
import { socketAddress } from './streams.ts';

const RENEW_MS = 30 * 60_000;
const RETRY_MS = 2_000;

export type OrderSide = 'BUY' | 'SELL';

export interface Order {
  id: number;
  symbol: string;
  side: OrderSide;
  type: string;
  timeInForce: string;
  status: string;
  price: Decimal;
  stopPrice: Decimal;
  quantity: Decimal;
  executed: Decimal;
  executedQuote: Decimal;
  time: number;
}

export interface Balance {
  asset: string;
  free: Decimal;
  locked: Decimal;
}

interface OrderRow {
  orderId: number;
  symbol: string;
  side: OrderSide;
  type: string;
  timeInForce: string;
  status: string;
  price: string;
  stopPrice?: string;
  origQty: string;
  executedQty: string;
  cummulativeQuoteQty: string;
  time: number;
}

interface ExecutionReport {
  e: 'executionReport';
  s: string;
  i: number;
  S: OrderSide;
  o: string;
  f: string;
  X: string;
  p: string;
  P: string;
  q: string;
  z: string;
  Z: string;
  O: number;
}

interface AccountPosition {
  e: 'outboundAccountPosition';
  B: { a: string; f: string; l: string }[];
}

interface BalanceUpdate {
  e: 'balanceUpdate';
}

type UserEvent = ExecutionReport | AccountPosition | BalanceUpdate;

export async function openOrders(): Promise<Order[]> {
  return (await askOwn<OrderRow[]>('GET', 'openOrders')).map(orderOf);
}

/** Newest first. */
export async function orderHistory(symbol: string, limit: number): Promise<Order[]> {
  const rows = await askOwn<OrderRow[]>('GET', 'allOrders', { symbol, limit });
  return rows.map(orderOf).reverse();
}

export async function balances(): Promise<Balance[]> {
  const account = await askOwn<{ balances: { asset: string; free: string; locked: string }[] }>(
    'GET',
    'account',
  );
  return account.balances.map((row) => ({
    asset: row.asset,
    free: decimal(row.free),
    locked: decimal(row.locked),
  }));
}

/** By parameters that ask for the result. */
export async function placeOrder(parameters: Record<string, string>): Promise<Order> {
  const placed = await askOwn<Omit<OrderRow, 'time'> & { transactTime: number }>('POST', 'order', parameters);
  return orderOf({ ...placed, time: placed.transactTime });
}

export function cancelOrder(order: Order): Promise<unknown> {
  return askOwn('DELETE', 'order', { symbol: order.symbol, orderId: order.id });
}

export function cancelAll(symbol: string): Promise<unknown> {
  return askOwn('DELETE', 'openOrders', { symbol });
}

/** Of what was filled; undefined while nothing was. */
export function averagePrice(order: Order): number | undefined {
  return order.executed > 0n ? Number(order.executedQuote) / Number(order.executed) : undefined;
}

export function totalOf(balance: Balance): Decimal {
  return add(balance.free, balance.locked);
}

function orderOf(row: OrderRow): Order {
  return {
    id: row.orderId,
    symbol: row.symbol,
    side: row.side,
    type: row.type,
    timeInForce: row.timeInForce,
    status: row.status,
    price: decimal(row.price),
    stopPrice: row.stopPrice === undefined ? ZERO : decimal(row.stopPrice),
    quantity: decimal(row.origQty),
    executed: decimal(row.executedQty),
    executedQuote: decimal(row.cummulativeQuoteQty),
    time: row.time,
  };
}

function reportedOrder(event: ExecutionReport): Order {
  return {
    id: event.i,
    symbol: event.s,
    side: event.S,
    type: event.o,
    timeInForce: event.f,
    status: event.X,
    price: decimal(event.p),
    stopPrice: decimal(event.P),
    quantity: decimal(event.q),
    executed: decimal(event.z),
    executedQuote: decimal(event.Z),
    time: event.O,
  };
}

const OPEN = new Set(['NEW', 'PARTIALLY_FILLED', 'PENDING_NEW', 'PENDING_CANCEL']);

export function isOpen(order: Order): boolean {
  return OPEN.has(order.status);
}

/** What the account has: `isCurrent` is false whenever events may have been missed. */
export interface Holdings {
  isCurrent: boolean;
  balances: Balance[];
  open: Order[];
  /** Closed since the page was opened, newest first. */
  closed: Order[];
}

const NOTHING: Holdings = { isCurrent: false, balances: [], open: [], closed: [] };

/** Follows the own account until `stop`. Events that come before the lists are applied after them. */
export class Following {
  private holdings = NOTHING;
  private early: UserEvent[] | undefined;
  private socket: WebSocket | undefined;
  private renewing: ReturnType<typeof setInterval> | undefined;
  private isStopped = false;

  constructor(private readonly onChange: (holdings: Holdings) => void) {
    void this.start();
  }

  stop(): void {
    this.isStopped = true;
    clearInterval(this.renewing);
    this.socket?.close();
  }

  private async start(): Promise<void> {
    try {
      const { listenKey } = await askOwn<{ listenKey: string }>('POST', 'userDataStream');
      if (this.isStopped) return;
      this.early = [];
      const socket = (this.socket = new WebSocket(socketAddress(`/ws/${listenKey}`)));
      socket.onmessage = ({ data }) => this.hear(JSON.parse(data as string) as UserEvent);
      socket.onopen = () => void this.list(socket);
      socket.onclose = () => this.lose();
      clearInterval(this.renewing);
      this.renewing = setInterval(() => void this.renew(listenKey), RENEW_MS);
    } catch {
      this.lose();
    }
  }

  private async list(socket: WebSocket): Promise<void> {
    try {
      const [listed, open] = await Promise.all([balances(), openOrders()]);
      if (socket !== this.socket || this.isStopped) return;
      const early = this.early ?? [];
      this.early = undefined;
      this.set({ ...this.holdings, isCurrent: true, balances: listed, open });
      for (const event of early) this.hear(event);
    } catch {
      socket.close();
    }
  }

  private async renew(listenKey: string): Promise<void> {
    try {
      await askOwn('PUT', 'userDataStream', { listenKey });
    } catch {
      this.socket?.close();
    }
  }

  private lose(): void {
    if (this.isStopped) return;
    this.set({ ...this.holdings, isCurrent: false });
    setTimeout(() => {
      if (!this.isStopped) void this.start();
    }, RETRY_MS);
  }

  private hear(event: UserEvent): void {
    if (this.early) this.early.push(event);
    else this.set(after(this.holdings, event));
  }

  private set(holdings: Holdings): void {
    this.holdings = holdings;
    this.onChange(holdings);
  }
}

const CLOSED_MOST = 100;

export function after(holdings: Holdings, event: UserEvent): Holdings {
  if (event.e === 'executionReport') {
    const order = reportedOrder(event);
    const others = holdings.open.filter((each) => each.id !== order.id || each.symbol !== order.symbol);
    if (isOpen(order)) return { ...holdings, open: [...others, order] };
    const closed = holdings.closed.filter((each) => each.id !== order.id || each.symbol !== order.symbol);
    return { ...holdings, open: others, closed: [order, ...closed].slice(0, CLOSED_MOST) };
  }
  if (event.e === 'outboundAccountPosition') {
    const known = new Map(holdings.balances.map((each) => [each.asset, each]));
    for (const { a, f, l } of event.B) known.set(a, { asset: a, free: decimal(f), locked: decimal(l) });
    return { ...holdings, balances: [...known.values()] };
  }
  return holdings;
}
