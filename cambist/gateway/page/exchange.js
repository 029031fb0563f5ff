// The data layer: the public REST API, one stream connection, and a book that is kept from both.
// Whatever cannot be shown to be current is said to be stale; nothing is guessed.

const TIMEOUT_MS = 4000, RETRY_MS = [500, 1000, 2000, 5000], HEARTBEAT_MS = 3000, SILENCE_MS = 8000;

export class Refusal extends Error {
  constructor(message, waitSeconds) { super(message); this.waitMs = waitSeconds * 1000; }
}

export async function ask(path, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  const address = '/api/v3/' + path + (query && '?' + query);
  const response = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: 'no-store' });
  const answer = await response.json();
  if (!response.ok) throw new Refusal(answer.msg, Number(response.headers.get('retry-after') || 0));
  return answer;
}

// One connection for all streams. It comes back by itself; whoever listens is told when it went and came,
// because what was missed in between has to be asked for again.
export class Streams {
  constructor({ onOpen, onClose }) {
    this.listeners = new Map();  // stream name -> function(event)
    this.onOpen = onOpen;
    this.onClose = onClose;
    this.attempts = 0;
    this.heardAt = 0;
    this.number = 0;
    setInterval(() => this.heartbeat(), HEARTBEAT_MS);
    this.connect();
  }

  get isOpen() { return this.socket.readyState === WebSocket.OPEN; }

  connect() {
    const scheme = location.protocol === 'https:' ? 'wss://' : 'ws://';
    this.socket = new WebSocket(scheme + location.host + '/stream');
    this.socket.onopen = () => {
      this.attempts = 0;
      this.heardAt = Date.now();
      if (this.listeners.size) this.send('SUBSCRIBE', [...this.listeners.keys()]);
      this.onOpen();
    };
    this.socket.onmessage = ({ data }) => {
      this.heardAt = Date.now();
      const message = JSON.parse(data);
      this.listeners.get(message.stream)?.(message.data);
    };
    this.socket.onclose = () => {
      const wait = RETRY_MS[Math.min(this.attempts++, RETRY_MS.length - 1)];
      setTimeout(() => this.connect(), wait);
      this.onClose();
    };
  }

  // A market may be quiet for hours, so silence means something only if an answer was due.
  heartbeat() {
    if (!this.isOpen) return;
    if (Date.now() - this.heardAt > SILENCE_MS) this.socket.close();
    else this.send('LIST_SUBSCRIPTIONS');
  }

  listen(stream, listener) {
    this.listeners.set(stream, listener);
    if (this.isOpen) this.send('SUBSCRIBE', [stream]);
  }

  leave(streams) {
    for (const stream of streams) this.listeners.delete(stream);
    if (this.isOpen && streams.length) this.send('UNSUBSCRIBE', streams);
  }

  send(method, params) { this.socket.send(JSON.stringify({ method, params, id: ++this.number })); }
}

// A book from one snapshot and every change after it. `apply` takes depthUpdate events in any state; a gap in
// the update ids makes it fetch a new snapshot and be `isCurrent = false` meanwhile.
export class LiveBook {
  constructor(symbol, onChange) {
    this.symbol = symbol;
    this.onChange = onChange;
    this.isCurrent = false;
    this.isAsking = false;
    this.early = [];  // changes that came before the snapshot
  }

  async start() {
    if (this.isAsking) return;
    this.isAsking = true;
    this.isCurrent = false;
    this.early = [];
    try {
      const snapshot = await ask('depth', { symbol: this.symbol, limit: 1000 });
      this.bids = new Map(snapshot.bids);
      this.asks = new Map(snapshot.asks);
      this.updateId = snapshot.lastUpdateId;
      this.isCurrent = true;
      const early = this.early;
      this.early = [];
      for (const event of early) this.apply(event);
    } finally {
      this.isAsking = false;
    }
    this.onChange();
  }

  apply(event) {
    if (!this.isCurrent) { this.early.push(event); return; }
    if (event.u <= this.updateId) return;
    if (event.U > this.updateId + 1) {
      this.isCurrent = false;
      this.start().then(null, () => setTimeout(() => this.start(), RETRY_MS[2]));
      return;
    }
    this.updateId = event.u;
    change(this.bids, event.b);
    change(this.asks, event.a);
    this.onChange();
  }

  // Best first.
  best(side, count) {
    const sign = side === 'bids' ? -1 : 1;
    return [...this[side]].sort(([one], [other]) => sign * (Number(one) - Number(other))).slice(0, count);
  }
}

function change(levels, changes) {
  for (const [price, quantity] of changes) {
    if (/[1-9]/.test(quantity)) levels.set(price, quantity);
    else levels.delete(price);
  }
}
