// Who is signed in, what the account holds, and the question for the password again where the exchange wants it.

import {
  Following,
  Refusal,
  currentSession,
  setCsrfToken,
  signOut as askSignOut,
  type Holdings,
  type Session,
} from '../exchange/index.ts';
import { failureOf, type Failure } from './explain.ts';

// Orders do not keep a session alive, only requests to the account API do.
const ALIVE_EVERY_MS = 5 * 60_000;
const ASK_AGAIN_MS = 2_000;

let session = $state.raw<Session>();
let isKnown = $state(false);
let isAway = $state(false);
let holdings = $state.raw<Holdings>();
let following: Following | undefined;

export function currentUser(): Session | undefined {
  return session;
}

/** False until the exchange has said whether somebody is signed in. */
export function isSessionKnown(): boolean {
  return isKnown;
}

/** True while whoever knows about sessions does not answer: it starts, or there is no way to it. */
export function isOfficeAway(): boolean {
  return isAway;
}

export function currentHoldings(): Holdings | undefined {
  return holdings;
}

export function setSession(found: Session | undefined): void {
  const isSame = session?.account === found?.account && session?.csrfToken === found?.csrfToken;
  session = found;
  isKnown = true;
  isAway = false;
  setCsrfToken(found?.csrfToken ?? '');
  if (isSame) return;
  following?.stop();
  following = undefined;
  holdings = undefined;
  if (found && found.account !== null) following = new Following(hold);
}

function hold(now: Holdings): void {
  // A session that was ended elsewhere takes its stream with it.
  if (holdings?.isCurrent && !now.isCurrent) void loadSession();
  holdings = now;
}

export async function loadSession(): Promise<void> {
  try {
    setSession(await currentSession());
  } catch (problem) {
    const failure = failureOf(problem);
    leaveIfEnded(failure);
    isAway = !isEnd(failure);
  }
}

function isEnd(failure: Failure): boolean {
  return failure instanceof Refusal && failure.reason === 'not_signed_in';
}

export function leaveIfEnded(failure: Failure): void {
  if (isEnd(failure)) setSession(undefined);
}

/** Says who is signed in, now and as long as the page is open. */
export function followSession(): void {
  const look = async () => {
    if (session || !isKnown) await loadSession();
    setTimeout(() => void look(), isAway ? ASK_AGAIN_MS : ALIVE_EVERY_MS);
  };
  void look();
}

export async function signOut(): Promise<void> {
  try {
    await askSignOut();
  } finally {
    setSession(undefined);
  }
}

interface Question {
  answer: (isProven: boolean) => void;
}

let question = $state.raw<Question>();

export function openQuestion(): Question | undefined {
  return question;
}

/** Does it; where the exchange asks for password and second factor again, asks the user and does it again. */
export async function proven<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (problem) {
    if (!(problem instanceof Refusal) || problem.reason !== 'proof_needed') throw problem;
    const isProven = await new Promise<boolean>((answer) => (question = { answer }));
    question = undefined;
    if (!isProven) throw problem;
    return await act();
  }
}
