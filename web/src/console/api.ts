// The console's API (docs/console.md). Amounts are text, times milliseconds.

export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

export interface Key {
  id: number;
  kind: 'webauthn' | 'ed25519';
  label: string;
  credential: string;
  publicKey: string;
  createdAt: number;
  usedAt: number | null;
  isThis: boolean;
}

export interface Me {
  name: string;
  roles: string[];
  actions: string[];
  keys: Key[];
  csrfToken: string;
  rpId: string;
  sandbox: boolean;
}

export interface KeyWanted {
  name: string;
  challenge: string;
  options: PublicKeyCredentialCreationOptionsJSON;
}

export interface Withdrawal {
  id: number;
  user: number;
  email: string;
  asset: string;
  network: string;
  amount: string;
  fee: string;
  address: string;
  tag: string;
  state: string;
  reason: string;
  via: string;
  risk: unknown;
  needed: number;
  approved: number;
  requestedAt: number;
  decidedAt: number | null;
  endedAt: number | null;
  txid: string | null;
}

export interface Payment {
  withdrawal: number;
  exchange: string;
  network: string;
  chainId: number;
  asset: string;
  contract: string;
  address: string;
  tag: string;
  amount: string;
  feeAtoms: string;
}

export type Row = Record<string, unknown>;

export interface WithdrawalDetail {
  withdrawal: Withdrawal;
  payment: Payment;
  digest: string;
  isUnchanged: boolean;
  words: Row[];
  checks: { name: string; isFine: boolean; since: number | null }[];
  signIns: Row[];
  earlier: Row[];
  deposits: Row[];
}

export interface User extends Row {
  id: number;
  email: string;
  account: number | null;
  isFrozen: boolean | null;
}

export interface UserDetail {
  user: User;
  balances: Row[];
  openOrders: number;
  signIns: Row[];
  apiKeys: Row[];
  addressBook: Row[];
  depositAddresses: string[];
}

export interface Proposal {
  id: number;
  kind: string;
  request: Row;
  reason: string;
  state: string;
  proposedBy: string;
  proposedAt: number;
  decidedBy: string | null;
  outcome: string;
  digest: string;
}

let csrfToken = '';

export function setCsrfToken(token: string): void {
  csrfToken = token;
}

export async function ask<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<T> {
  const headers: Record<string, string> = { 'X-CSRF-Token': csrfToken };
  const init: RequestInit = { method, headers };
  if (body !== undefined) {
    headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(`/api/console/v1/${path}`, init);
  const said = (await answer.json()) as T & { reason: string; msg: string };
  if (!answer.ok) throw new Refusal(answer.status, said.reason, said.msg);
  return said;
}
