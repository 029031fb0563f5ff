// The account API: its shapes, once, and a function for each request that the pages make. Times in milliseconds.

import { askAccount } from './requests.ts';

export interface Session {
  csrfToken: string;
  email: string;
  account: number | null;
  hasSecondFactor: boolean;
  language: string;
  phrase: string;
  provenUntil: number;
  expiresAt: number;
  withdrawalsHeldUntil: number;
  isFrozen: boolean;
}

export interface OpenSession {
  id: string;
  address: string;
  agent: string;
  createdAt: number;
  seenAt: number;
  isThis: boolean;
}

export interface SignIn {
  time: number;
  outcome: string;
  address: string;
  agent: string;
  isKnownDevice: boolean;
}

export interface ApiKey {
  apiKey: string;
  label: string;
  kind: string;
  scopes: string[];
  ipAllow: string[];
  createdAt: number;
  expiresAt: number | null;
}

export interface NewApiKey {
  label: string;
  scopes: string[];
  kind: string;
  publicKey?: string;
  ipAllow: string[];
  expiresAt?: number;
}

export interface Address {
  id: number;
  network: string;
  address: string;
  tag: string;
  label: string;
  createdAt: number;
  usableFrom: number;
}

export interface Mail {
  id: number;
  to: string;
  kind: string;
  subject: string;
  text: string;
  sentAt: number;
}

/** A deposit above `largeAbove` needs `largeConfirmations`; null: all need `confirmations`. */
export interface Network {
  asset: string;
  network: string;
  contract: string;
  confirmations: number;
  largeAbove: string | null;
  largeConfirmations: number;
  depositMin: string;
  withdrawalFee: string;
  withdrawalMin: string;
  withdrawalDailyMax: string | null;
  isDepositOpen: boolean;
  isWithdrawalOpen: boolean;
  haltedReason: string;
}

/** `asset` is empty for a token that is not listed. */
export interface Deposit {
  id: number;
  asset: string;
  network: string;
  amount: string;
  address: string;
  txid: string;
  state: string;
  confirmations: number;
  confirmationsNeeded: number;
  time: number;
  creditedAt: number | null;
}

/** `amount` arrives; `fee` was taken off what left the account. */
export interface Withdrawal {
  id: number;
  asset: string;
  network: string;
  amount: string;
  fee: string;
  address: string;
  tag: string;
  state: string;
  reason: string;
  txid: string | null;
  confirmations: number;
  requestedAt: number;
  settledAt: number | null;
}

type Done = Record<string, never>;
interface CodeSent {
  handle: string;
}

export const signUp = (email: string, password: string, language: string) =>
  askAccount<CodeSent>('POST', 'sign-up', { email, password, language });
export const verifySignUp = (handle: string, code: string) =>
  askAccount<Done>('POST', 'sign-up/verify', { handle, code });
export const signIn = (email: string, password: string, secondFactor?: string) =>
  askAccount<Session>('POST', 'sign-in', { email, password, ...optional({ secondFactor }) });
export const askReset = (email: string) => askAccount<CodeSent>('POST', 'password/reset', { email });
export const completeReset = (handle: string, code: string, newPassword: string, secondFactor?: string) =>
  askAccount<Done>('POST', 'password/reset/complete', {
    handle,
    code,
    newPassword,
    ...optional({ secondFactor }),
  });

export const currentSession = () => askAccount<Session>('GET', 'session');
export const signOut = () => askAccount<Done>('DELETE', 'session');
export const prove = (password: string, secondFactor?: string) =>
  askAccount<Session>('POST', 'session/prove', { password, ...optional({ secondFactor }) });
export const sessions = () => askAccount<OpenSession[]>('GET', 'sessions');
export const endSession = (id: string) => askAccount<Done>('DELETE', `sessions/${id}`);
export const endOtherSessions = () => askAccount<Done>('DELETE', 'sessions');
export const signIns = () => askAccount<SignIn[]>('GET', 'sign-ins');
export const changePassword = (newPassword: string) =>
  askAccount<Session>('POST', 'password', { newPassword });
export const setProfile = (language: string, phrase: string) =>
  askAccount<Session>('PUT', 'profile', { language, phrase });
export const freeze = () => askAccount<Done>('POST', 'freeze');

export const beginSecondFactor = () => askAccount<{ secret: string; uri: string }>('POST', 'second-factor');
export const confirmSecondFactor = (code: string) =>
  askAccount<{ recoveryCodes: string[] }>('POST', 'second-factor/confirm', { code });
export const removeSecondFactor = () => askAccount<Done>('DELETE', 'second-factor');
export const newRecoveryCodes = () => askAccount<{ recoveryCodes: string[] }>('POST', 'recovery-codes');

export const apiKeys = () => askAccount<ApiKey[]>('GET', 'api-keys');
export const createApiKey = (key: NewApiKey) =>
  askAccount<{ apiKey: string; secretKey: string | null }>('POST', 'api-keys', key);
export const deleteApiKey = (id: string) => askAccount<Done>('DELETE', `api-keys/${id}`);

export const addresses = () => askAccount<Address[]>('GET', 'addresses');
export const addAddress = (network: string, address: string, label: string, tag: string) =>
  askAccount<Address>('POST', 'addresses', { network, address, label, tag });
export const removeAddress = (id: number) => askAccount<Done>('DELETE', `addresses/${id}`);

export const inbox = () => askAccount<Mail[]>('GET', 'inbox');

export const networks = () => askAccount<Network[]>('GET', 'wallet/networks');
export const depositAddress = (network: string) =>
  askAccount<{ network: string; address: string; tag: string }>('POST', 'wallet/deposit-addresses', {
    network,
  });
export const deposits = () => askAccount<Deposit[]>('GET', 'wallet/deposits');
export const withdrawals = () => askAccount<Withdrawal[]>('GET', 'wallet/withdrawals');
/** `amount` leaves the account. */
export const withdraw = (asset: string, network: string, addressId: number, amount: string) =>
  askAccount<Withdrawal>('POST', 'wallet/withdrawals', { asset, network, addressId, amount });
export const cancelWithdrawal = (id: number) => askAccount<Done>('DELETE', `wallet/withdrawals/${id}`);
export const askFaucet = (asset: string) =>
  askAccount<{ asset: string; amount: string; txid: string }>('POST', 'faucet', { asset });

function optional(fields: Record<string, string | undefined>): Record<string, string> {
  const given = Object.entries(fields).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return Object.fromEntries(given);
}
