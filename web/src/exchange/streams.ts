// One connection for all public streams. It comes back by itself; whoever listens is told when it went and when
// it came, because what was missed in between has to be asked for again.

const RETRY_MS = [500, 1_000, 2_000, 5_000];
const HEARTBEAT_MS = 3_000;
const SILENCE_MS = 9_000;

type Listener = (event: never) => void;

export function socketAddress(path: string): string {
  return `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}${path}`;
}

export class Streams {
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly watchers = new Set<(isOpen: boolean) => void>();
  private socket: WebSocket | undefined;
  private attempts = 0;
  private heardAt = 0;
  private requests = 0;
  private timer: ReturnType<typeof setInterval> | undefined;

  get isOpen(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  start(): void {
    if (this.timer !== undefined) return;
    this.timer = setInterval(() => this.heartbeat(), HEARTBEAT_MS);
    this.connect();
  }

  /** Calls back with every event of the stream until the returned function is called. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- what comes is said by its name
  listen<T>(stream: string, listener: (event: T) => void): () => void {
    const known = this.listeners.get(stream);
    const listeners = known ?? new Set<Listener>();
    listeners.add(listener);
    if (!known) {
      this.listeners.set(stream, listeners);
      this.send('SUBSCRIBE', [stream]);
    }
    return () => {
      listeners.delete(listener);
      if (listeners.size || this.listeners.get(stream) !== listeners) return;
      this.listeners.delete(stream);
      this.send('UNSUBSCRIBE', [stream]);
    };
  }

  /** Calls back at once if the connection is open, and whenever it opens or closes. */
  watch(watcher: (isOpen: boolean) => void): () => void {
    this.watchers.add(watcher);
    if (this.isOpen) watcher(true);
    return () => this.watchers.delete(watcher);
  }

  private connect(): void {
    const socket = (this.socket = new WebSocket(socketAddress('/stream')));
    socket.onopen = () => {
      this.attempts = 0;
      this.heardAt = Date.now();
      if (this.listeners.size) this.send('SUBSCRIBE', [...this.listeners.keys()]);
      for (const watcher of this.watchers) watcher(true);
    };
    socket.onmessage = ({ data }) => {
      this.heardAt = Date.now();
      const message = JSON.parse(data as string) as { stream?: string; data?: never };
      if (message.stream === undefined) return;
      for (const listener of this.listeners.get(message.stream) ?? []) listener(message.data as never);
    };
    socket.onclose = () => {
      for (const watcher of this.watchers) watcher(false);
      const wait = RETRY_MS[Math.min(this.attempts++, RETRY_MS.length - 1)];
      setTimeout(() => this.connect(), wait);
    };
  }

  // A market may be quiet for hours, so silence means something only if an answer was due.
  private heartbeat(): void {
    if (!this.isOpen) return;
    if (Date.now() - this.heardAt > SILENCE_MS) this.socket?.close();
    else this.send('LIST_SUBSCRIPTIONS');
  }

  private send(method: string, params?: string[]): void {
    if (this.isOpen) this.socket?.send(JSON.stringify({ method, params, id: ++this.requests }));
  }
}

export const streams = new Streams();
