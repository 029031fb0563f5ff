// What a failure means, in the reader's language.

import { NoAnswer, Refusal } from '../exchange/index.ts';
import { t, tOr } from './words.svelte.ts';

export function explain(problem: unknown): string {
  if (problem instanceof NoAnswer) return t('noAnswer');
  if (!(problem instanceof Refusal)) throw problem;
  if (problem.reason) return tOr(`reason.${problem.reason}`, declined(problem.message));
  return trading(problem);
}

/** The same after something that must not be done twice: no answer does not say that nothing was done. */
export function explainAct(problem: unknown): string {
  const isUnknown = problem instanceof NoAnswer || (problem instanceof Refusal && problem.code === -1007);
  return isUnknown ? t('outcomeUnknown') : explain(problem);
}

const SAID: [RegExp, Parameters<typeof t>[0]][] = [
  [/insufficient balance/i, 'refusal.balance'],
  [/immediately match/i, 'refusal.wouldMatch'],
  [/trigger immediately/i, 'refusal.wouldTrigger'],
  [/Unknown order|does not exist/i, 'refusal.unknownOrder'],
  [/market is closed|not open for trading|halted/i, 'refusal.marketClosed'],
  [/no .*liquidity|book is empty|no orders? on the other/i, 'refusal.noLiquidity'],
];

function trading({ status, code, message }: Refusal): string {
  if (status === 429 || status === 418 || code === -1015) return t('refusal.tooMany');
  if (code === -2014 || code === -2015) return t('refusal.signInAgain');
  const filter = /Filter failure: (\w+)/.exec(message)?.[1];
  if (filter) return t('refusal.filter', { filter });
  const known = SAID.find(([pattern]) => pattern.test(message));
  return known ? t(known[1]) : declined(message);
}

function declined(reason: string): string {
  return t('refused', { reason });
}
