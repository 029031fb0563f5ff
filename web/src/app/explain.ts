// What a failure means, in the reader's language.

import { NoAnswer, Refusal } from '../exchange/index.ts';
import { t, tOr } from './words.svelte.ts';

export type Failure = NoAnswer | Refusal;

/** Throws again what is none, but a fault of the page. */
export function failureOf(problem: unknown): Failure {
  if (problem instanceof NoAnswer || problem instanceof Refusal) return problem;
  throw problem;
}

export function explain(failure: Failure): string {
  if (failure instanceof NoAnswer) return t('noAnswer');
  if (failure.reason) return tOr(`reason.${failure.reason}`, declined(failure.message));
  return trading(failure);
}

/** The same after something that must not be done twice: no answer does not say that nothing was done. */
export function explainAct(failure: Failure): string {
  const isUnknown = failure instanceof NoAnswer || failure.code === -1007;
  return isUnknown ? t('outcomeUnknown') : explain(failure);
}

const SAID: [RegExp, Parameters<typeof t>[0]][] = [
  [/insufficient balance/i, 'refusal.balance'],
  [/immediately match/i, 'refusal.wouldMatch'],
  [/trigger immediately/i, 'refusal.wouldTrigger'],
  [/Unknown order|does not exist/i, 'refusal.unknownOrder'],
  [/disabled on this account/i, 'refusal.frozen'],
  [/market is closed|not open for trading|halted/i, 'refusal.marketClosed'],
  [/no .*liquidity|book is empty|no orders? on the other/i, 'refusal.noLiquidity'],
];

function trading({ status, code, message }: Refusal): string {
  if (status === 429 || status === 418 || code === -1015) return t('refusal.tooMany');
  if (code === -2014 || code === -2015) return t('refusal.signInAgain');
  if (message.includes('PERCENT_PRICE')) return t('refusal.farPrice');
  const filter = /Filter failure: (\w+)/.exec(message)?.[1];
  if (filter) return t('refusal.filter', { filter });
  const known = SAID.find(([pattern]) => pattern.test(message));
  return known ? t(known[1]) : declined(message);
}

function declined(reason: string): string {
  return t('refused', { reason });
}
