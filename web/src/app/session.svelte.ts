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

// Orders do not keep a session alive, only requests to the account API do.
const ALIVE_EVERY_MS = 5 * 60_000;

let session = $state.raw<Session>();
let isKnown = $state(false);
let holdings = $state.raw<Holdings>();
let following: Following | undefined;

export function currentUser(): Session | undefined {
  return session;
}

/** False until the exchange has said whether somebody is signed in. */
export function isSessionKnown(): boolean {
  return isKnown;
}

export function currentHoldings(): Holdings | undefined {
  return holdings;
}

export function setSession(found: Session | undefined): void {
  const isSame = session?.account === found?.account && session?.csrfToken === found?.csrfToken;
  session = found;
  isKnown = true;
  setCsrfToken(found?.csrfToken ?? '');
  if (isSame) return;
  following?.stop();
  following = undefined;
  holdings = undefined;
  if (found && found.account !== null) following = new Following((now) => (holdings = now));
}

export async function loadSession(): Promise<void> {
  try {
    setSession(await currentSession());
  } catch (problem) {
    if (problem instanceof Refusal && problem.status === 401) setSession(undefined);
    else isKnown = true;
  }
}

/** Says who is signed in, now and as long as the page is open. */
export function followSession(): void {
  void loadSession();
  setInterval(() => {
    if (session) void loadSession();
  }, ALIVE_EVERY_MS);
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
