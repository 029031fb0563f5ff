import { expect, test, vi } from 'vitest';
import {
  Book,
  LiveBook,
  cumulated,
  decimal,
  format,
  gathered,
  type Delta,
  type Snapshot,
} from '../src/exchange/index.ts';

const SNAPSHOT: Snapshot = {
  lastUpdateId: 10,
  bids: [
    ['99.5', '1'],
    ['100.0', '2'],
  ],
  asks: [
    ['101.0', '3'],
    ['101.4', '1'],
  ],
};

function delta(first: number, last: number, bids: [string, string][] = []): Delta {
  return { U: first, u: last, b: bids, a: [] };
}

function prices(book: Book, side: 'bids' | 'asks'): string[] {
  return book.levels(side).map(({ price }) => format(price));
}

test('best prices come first', () => {
  const book = new Book(SNAPSHOT);
  expect(prices(book, 'bids')).toEqual(['100', '99.5']);
  expect(prices(book, 'asks')).toEqual(['101', '101.4']);
});

test('a change replaces a level, and a quantity of nothing takes it away', () => {
  const book = new Book(SNAPSHOT);
  expect(
    book.apply(
      delta(11, 12, [
        ['100.0', '0'],
        ['99.5', '7'],
      ]),
    ),
  ).toBe(true);
  expect(book.levels('bids')).toEqual([{ price: decimal('99.5'), quantity: decimal('7') }]);
});

test('what is older than the snapshot changes nothing', () => {
  const book = new Book(SNAPSHOT);
  expect(book.apply(delta(5, 10, [['100.0', '9']]))).toBe(true);
  expect(book.levels('bids')[0]?.quantity).toBe(decimal('2'));
});

test('a gap is noticed, and nothing of it is applied', () => {
  const book = new Book(SNAPSHOT);
  expect(book.apply(delta(12, 13, [['100.0', '9']]))).toBe(false);
  expect(book.levels('bids')[0]?.quantity).toBe(decimal('2'));
});

test('grouped bids go down and grouped asks up, so that none looks better than it is', () => {
  const book = new Book(SNAPSHOT);
  const shown = (side: 'bids' | 'asks') =>
    gathered(book.levels(side), side, decimal('1'), 5).map((each) => [
      format(each.price),
      format(each.quantity),
    ]);
  expect(shown('bids')).toEqual([
    ['100', '2'],
    ['99', '1'],
  ]);
  expect(shown('asks')).toEqual([
    ['101', '3'],
    ['102', '1'],
  ]);
});

test('grouping leaves the book itself as it was', () => {
  const book = new Book(SNAPSHOT);
  gathered(book.levels('bids'), 'bids', decimal('10'), 5);
  expect(book.levels('bids')[0]?.quantity).toBe(decimal('2'));
});

test('depth adds up from the best price on', () => {
  expect(cumulated(new Book(SNAPSHOT).levels('asks'))).toEqual([
    { price: 101, total: 3 },
    { price: 101.4, total: 4 },
  ]);
});

test('changes that come before the snapshot are applied after it', async () => {
  const book = new LiveBook(
    'BTCUSDT',
    () => {},
    async () => SNAPSHOT,
  );
  const started = book.start();
  book.apply(delta(9, 11, [['98', '1']]));
  await started;
  expect(book.state).toBe('live');
  expect(prices(book.book!, 'bids')).toEqual(['100', '99.5', '98']);
});

test('a live book with a gap is stale until a new snapshot has come', async () => {
  const states: string[] = [];
  const ask = vi.fn(async () => ({ ...SNAPSHOT, lastUpdateId: 20 }));
  ask.mockResolvedValueOnce(SNAPSHOT);
  const book = new LiveBook('BTCUSDT', () => states.push(book.state), ask);
  await book.start();
  book.apply(delta(15, 16));
  expect(book.state).toBe('stale');
  await vi.waitFor(() => expect(book.state).toBe('live'));
  expect(book.book?.updateId).toBe(20);
  expect(states).toContain('stale');
});

test('a lost connection makes it stale at once', async () => {
  const book = new LiveBook(
    'BTCUSDT',
    () => {},
    async () => SNAPSHOT,
  );
  await book.start();
  book.lose();
  expect(book.state).toBe('stale');
});

test('the answer to an older question is dropped', async () => {
  const answers: ((snapshot: Snapshot) => void)[] = [];
  const book = new LiveBook(
    'BTCUSDT',
    () => {},
    () => new Promise((answer) => answers.push(answer)),
  );
  const first = book.start();
  const second = book.start();
  answers[1]?.({ ...SNAPSHOT, lastUpdateId: 30 });
  await second;
  answers[0]?.(SNAPSHOT);
  await first;
  expect(book.book?.updateId).toBe(30);
});
