// One market as it is shown: book and trades. What changes is drawn at most five times a second, and not at all
// while nobody looks.

import {
  LiveBook,
  mergeTrades,
  newestTrades,
  streams,
  tradeOf,
  type BookState,
  type Delta,
  type Level,
  type Trade,
  type TradeRow,
} from '../../exchange/index.ts';

const DRAW_EVERY_MS = 200;
const TRADES = 40;
const RETRY_MS = 2_000;

export interface BookView {
  state: BookState;
  bids: Level[];
  asks: Level[];
}

export class MarketView {
  book = $state.raw<BookView>({ state: 'waiting', bids: [], asks: [] });
  trades = $state.raw<Trade[]>([]);

  private readonly live: LiveBook;
  private readonly leave: (() => void)[];
  private isDrawn = true;
  private newTrades: Trade[] = [];
  private isStopped = false;

  constructor(readonly symbol: string) {
    const stream = symbol.toLowerCase();
    this.live = new LiveBook(symbol, () => (this.isDrawn = false));
    const timer = setInterval(() => this.draw(), DRAW_EVERY_MS);
    this.leave = [
      streams.listen<Delta>(`${stream}@depth@100ms`, (delta) => this.live.apply(delta)),
      streams.listen<TradeRow>(`${stream}@aggTrade`, (row) => this.addTrades([tradeOf(row)])),
      streams.watch((isOpen) => (isOpen ? this.begin() : this.live.lose())),
      () => clearInterval(timer),
      () => this.live.stop(),
    ];
  }

  stop(): void {
    this.isStopped = true;
    for (const leave of this.leave) leave();
  }

  // After each (re)connection: what was missed is asked for again.
  private begin(): void {
    void this.live.start();
    void this.loadTrades();
  }

  private async loadTrades(): Promise<void> {
    try {
      const trades = await newestTrades(this.symbol, TRADES);
      if (!this.isStopped) this.addTrades(trades);
    } catch {
      if (!this.isStopped && streams.isOpen) setTimeout(() => void this.loadTrades(), RETRY_MS);
    }
  }

  private addTrades(trades: Trade[]): void {
    this.newTrades.push(...trades);
    this.isDrawn = false;
  }

  private draw(): void {
    if (this.isDrawn || document.hidden) return;
    this.isDrawn = true;
    const { state, book } = this.live;
    this.book = { state, bids: book?.levels('bids') ?? [], asks: book?.levels('asks') ?? [] };
    if (!this.newTrades.length) return;
    this.trades = mergeTrades(this.trades, this.newTrades, TRADES);
    this.newTrades = [];
  }
}
