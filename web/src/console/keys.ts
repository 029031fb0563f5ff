// What a member of the staff signs with: a passkey of the browser's, or an Ed25519 key from a file, which stays in
// this page's memory and can not be read out of it.

import type { Key, Payment } from './api.ts';

export type Purpose = 'enrol' | 'signIn' | 'decide' | 'approve';

export type Proof =
  { kind: 'webauthn'; credential: object } | { kind: 'ed25519'; publicKey: string; signature: string };

const WORDS: Record<Purpose, string> = {
  enrol: 'cambist console key 1\n',
  signIn: 'cambist console sign-in 1\n',
  decide: 'cambist proposal decision 1\n',
  approve: 'cambist withdrawal approval 1\n',
};

interface FileKey {
  privateKey: CryptoKey;
  publicKey: string;
}

let fileKey: FileKey | undefined;

export function hasFileKey(): boolean {
  return fileKey !== undefined;
}

/** A PEM file as `cambist staff key` writes it. */
export async function loadFileKey(file: File): Promise<void> {
  const text = (await file.text()).replace(/-----[A-Z ]+-----|\s/g, '');
  const der = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const readable = await crypto.subtle.importKey('pkcs8', der, 'Ed25519', true, ['sign']);
  const { x } = await crypto.subtle.exportKey('jwk', readable);
  if (!x) throw new Error('the file holds no Ed25519 key');
  const privateKey = await crypto.subtle.importKey('pkcs8', der, 'Ed25519', false, ['sign']);
  fileKey = { privateKey, publicKey: x };
}

/** With the key from a file where one is loaded, else with a passkey. */
export async function prove(
  purpose: Purpose,
  challenge: string,
  rpId: string,
  keys: readonly Key[] = [],
): Promise<Proof> {
  if (fileKey) return proveWithFile(fileKey, purpose, challenge);
  const credential = await navigator.credentials.get({
    publicKey: {
      challenge: bytes(challenge),
      rpId,
      userVerification: 'required',
      allowCredentials: keys
        .filter((key) => key.kind === 'webauthn')
        .map((key) => ({ type: 'public-key', id: bytes(key.credential) })),
    },
  });
  return { kind: 'webauthn', credential: (credential as PublicKeyCredential).toJSON() };
}

export async function newPasskey(options: PublicKeyCredentialCreationOptionsJSON): Promise<Proof> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = await navigator.credentials.create({ publicKey });
  return { kind: 'webauthn', credential: (credential as PublicKeyCredential).toJSON() };
}

/** What the approver signs, computed from what the page shows: docs/formats/signer.md. */
export async function digestOf(payment: Payment): Promise<string> {
  const said = {
    address: payment.address,
    amount: payment.amount,
    asset: payment.asset,
    chain_id: payment.chainId,
    contract: payment.contract,
    exchange: payment.exchange,
    fee_atoms: payment.feeAtoms,
    network: payment.network,
    tag: payment.tag,
    version: 1,
    withdrawal: payment.withdrawal,
  };
  const content = new TextEncoder().encode(JSON.stringify(said));
  return text(new Uint8Array(await crypto.subtle.digest('SHA-256', content)));
}

async function proveWithFile(key: FileKey, purpose: Purpose, challenge: string): Promise<Proof> {
  const words = new TextEncoder().encode(WORDS[purpose]);
  const message = new Uint8Array([...words, ...bytes(challenge)]);
  const signature = await crypto.subtle.sign('Ed25519', key.privateKey, message);
  return { kind: 'ed25519', publicKey: key.publicKey, signature: text(new Uint8Array(signature)) };
}

function bytes(base64url: string): Uint8Array<ArrayBuffer> {
  const plain = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function text(content: Uint8Array): string {
  return btoa(String.fromCharCode(...content))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
