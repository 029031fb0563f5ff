// An order book from one snapshot and every change after it. Where a change is missing the book is stale: it is
// still shown, greyed, but said to be old, until a new snapshot has come.

import { ZERO, add, ceilTo, decimal, floorTo, toNumber, type Decimal } from './decimal.ts';
import { askPublic } from './requests.ts';

const SNAPSHOT_LEVELS = 1_000;
const RETRY_MS = 1_000;
const EARLY_MOST = 10_000;

type Row = [price: string, quantity: string];

export interface Snapshot {
  lastUpdateId: number;
  bids: Row[];
  asks: Row[];
}

/** A depthUpdate event: `U` and `u` are the first and last update in it. */
export interface Delta {
  U: number;
  u: number;
  b: Row[];
  a: Row[];
}

export interface Level {
  price: Decimal;
  quantity: Decimal;
}

export type Side = 'bids' | 'asks';

export class Book {
  readonly bids = new Map<string, Level>();
  readonly asks = new Map<string, Level>();

  constructor(
    snapshot: Snapshot,
    public updateId = snapshot.lastUpdateId,
  ) {
    change(this.bids, snapshot.bids);
    change(this.asks, snapshot.asks);
  }

  /** False if something is missing between this change and the one before; then the book is stale. */
  apply(delta: Delta): boolean {
    if (delta.u <= this.updateId) return true;
    if (delta.U > this.updateId + 1) return false;
    this.updateId = delta.u;
    change(this.bids, delta.b);
    change(this.asks, delta.a);
    return true;
  }

  /** Best price first. */
  levels(side: Side): Level[] {
    const found = [...this[side].values()];
    return side === 'bids' ? found.sort((a, b) => order(b, a)) : found.sort(order);
  }
}

function order(one: Level, other: Level): number {
  return one.price < other.price ? -1 : one.price > other.price ? 1 : 0;
}

function change(levels: Map<string, Level>, rows: Row[]): void {
  for (const [price, quantity] of rows) {
    const value = decimal(quantity);
    if (value > 0n) levels.set(price, { price: decimal(price), quantity: value });
    else levels.delete(price);
  }
}

/** Levels gathered in steps of the price: bids downwards, asks upwards, so that none looks better than it is. */
export function gathered(levels: Level[], side: Side, step: Decimal, most: number): Level[] {
  const found: Level[] = [];
  for (const { price, quantity } of levels) {
    const at = side === 'bids' ? floorTo(price, step) : ceilTo(price, step);
    const last = found.at(-1);
    if (last?.price === at) last.quantity = add(last.quantity, quantity);
    else if (found.length === most) break;
    else found.push({ price: at, quantity });
  }
  return found;
}

export interface DepthPoint {
  price: number;
  total: number;
}

/** Quantities added up from the best price on, for drawing. */
export function cumulated(levels: Level[]): DepthPoint[] {
  let total = ZERO;
  return levels.map(({ price, quantity }) => {
    total = add(total, quantity);
    return { price: toNumber(price), total: toNumber(total) };
  });
}

export type BookState = 'waiting' | 'live' | 'stale';

/** Keeps a book current. Feed it every depthUpdate; `start` again after the connection was lost. */
export class LiveBook {
  state: BookState = 'waiting';
  book: Book | undefined;
  private early: Delta[] = [];
  private round = 0;

  constructor(
    private readonly symbol: string,
    private readonly onChange: () => void,
    private readonly ask: (symbol: string) => Promise<Snapshot> = askSnapshot,
  ) {}

  /** Asks for a snapshot, and again until there is one that the changes fit. */
  async start(): Promise<void> {
    const round = ++this.round;
    this.lose();
    this.early = [];
    try {
      const snapshot = await this.ask(this.symbol);
      if (round === this.round) this.take(snapshot);
    } catch {
      if (round === this.round) this.later();
    }
  }

  apply(delta: Delta): void {
    if (this.state !== 'live' || !this.book) {
      if (this.early.length < EARLY_MOST) this.early.push(delta);
      return;
    }
    if (this.book.apply(delta)) this.onChange();
    else void this.start();
  }

  /** Says that nothing is heard any more. */
  lose(): void {
    if (this.state === 'live') this.state = 'stale';
    this.onChange();
  }

  stop(): void {
    this.round++;
  }

  private take(snapshot: Snapshot): void {
    const book = new Book(snapshot);
    const isWhole = this.early.every((delta) => book.apply(delta));
    this.early = [];
    this.book = book;
    if (isWhole) this.state = 'live';
    else this.later();
    this.onChange();
  }

  private later(): void {
    const round = this.round;
    setTimeout(() => {
      if (round === this.round) void this.start();
    }, RETRY_MS);
  }
}

function askSnapshot(symbol: string): Promise<Snapshot> {
  return askPublic<Snapshot>('depth', { symbol, limit: SNAPSHOT_LEVELS });
}
