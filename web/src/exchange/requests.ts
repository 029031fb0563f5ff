// Requests to the exchange. A refusal is an exception that says why in a code of its own, which pages translate.

const PUBLIC_TIMEOUT_MS = 8_000;
const OWN_TIMEOUT_MS = 30_000;

type Parameters = Record<string, string | number | boolean | undefined>;
type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** `reason` is the account API's word for it, or empty; `message` is English and may name details. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: number,
    message: string,
    readonly reason: string,
    readonly waitMs: number,
  ) {
    super(message);
  }
}

/** Nobody answered: whether it was done is not known. */
export class NoAnswer extends Error {}

let csrfToken = '';

/** Of the session that the browser has a cookie for; empty when nobody is signed in. */
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

/** What everybody may ask. */
export function askPublic<T>(path: string, parameters: Parameters = {}): Promise<T> {
  return request<T>('GET', withQuery(`/api/v3/${path}`, parameters), PUBLIC_TIMEOUT_MS);
}

/** The trading API, as the owner of the session. */
export function askOwn<T>(method: Method, path: string, parameters: Parameters = {}): Promise<T> {
  return request<T>(method, withQuery(`/api/v3/${path}`, parameters), OWN_TIMEOUT_MS, signedIn());
}

/** The account API. */
export function askAccount<T>(method: Method, path: string, body?: object): Promise<T> {
  const init: RequestInit = body === undefined ? {} : { body: JSON.stringify(body) };
  const headers = { ...signedIn(), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) };
  return request<T>(method, `/api/account/v1/${path}`, OWN_TIMEOUT_MS, headers, init);
}

function signedIn(): Record<string, string> {
  return csrfToken ? { 'X-CSRF-Token': csrfToken } : {};
}

function withQuery(path: string, parameters: Parameters): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query.size ? `${path}?${query}` : path;
}

async function request<T>(
  method: Method,
  address: string,
  timeoutMs: number,
  headers: Record<string, string> = {},
  init: RequestInit = {},
): Promise<T> {
  let response: Response;
  let text: string;
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    response = await fetch(address, { ...init, method, headers, signal, cache: 'no-store' });
    text = await response.text();
  } catch (problem) {
    throw new NoAnswer('no answer', { cause: problem });
  }
  const answer = asJson(text);
  if (response.ok && answer !== undefined) return answer as T;
  const { code = 0, msg = '', reason = '' } = (answer ?? {}) as Partial<Problem>;
  const waitMs = 1_000 * Number(response.headers.get('retry-after') ?? 0);
  throw new Refusal(response.status, code, msg || `HTTP ${response.status}`, reason, waitMs || 0);
}

interface Problem {
  code: number;
  msg: string;
  reason: string;
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
