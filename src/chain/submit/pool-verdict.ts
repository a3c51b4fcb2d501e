import { RelayError } from '../../errors/index.ts';
import type { RpcError } from '../rpc/rpc-error.ts';

/** What a refusal by the transaction pool means for the one who posts. */
export type PoolVerdict =
  /** Another nonce may do: this one is used, or a pooled extrinsic has it. */
  | { readonly kind: 'nonce-taken'; readonly stale: boolean }
  /** What was signed has aged (a runtime upgrade, an old birth block), or its bytes are banned: sign again. */
  | { readonly kind: 'sign-again' }
  /** The pool has this very extrinsic. */
  | { readonly kind: 'known' }
  | { readonly kind: 'full' }
  | { readonly kind: 'cannot-pay' }
  | { readonly kind: 'refused'; readonly error: RelayError };

/** Codes of substrate's `author` RPC errors. */
const codes = { invalid: 1010, banned: 1012, alreadyImported: 1013, tooLowPriority: 1014, dropped: 1016 } as const;

/** Nodes name the kind of invalidity in text only; both the real node's sentences and its enum's names are known here. */
export function judge(error: RpcError): PoolVerdict {
  const { reason } = error;
  switch (error.code) {
    case codes.alreadyImported:
      return { kind: 'known' };
    case codes.banned:
      // These very bytes are; another signature makes others.
      return { kind: 'sign-again' };
    case codes.tooLowPriority:
      return { kind: 'nonce-taken', stale: false };
    case codes.dropped:
      return { kind: 'full' };
    case codes.invalid:
      if (/outdated|stale/i.test(reason)) return { kind: 'nonce-taken', stale: true };
      if (/inability to pay|payment/i.test(reason)) return { kind: 'cannot-pay' };
      if (/bad ?(signature|proof)|ancient/i.test(reason)) return { kind: 'sign-again' };
      if (/exhaust/i.test(reason))
        return { kind: 'refused', error: new RelayError('extrinsic-too-large', { details: { reason }, cause: error }) };
  }
  return { kind: 'refused', error: new RelayError('extrinsic-rejected', { details: { reason }, cause: error }) };
}
