import {
  ecdhRecordContent,
  endpointContent,
  envelopeContent,
  loginContent,
  workerMessageContent,
  type Hex,
} from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { SignContent } from './vault.ts';

/** What IdentityKey signs for `content`; the vault signs nothing that is not built here. Throws unknown-epoch. */
export function signedBytes(
  content: SignContent,
  identity: Hex,
  publicKeyOf: (epoch: number) => Uint8Array | undefined,
): Uint8Array {
  switch (content.type) {
    case 'ecdh-record': {
      const ecdhPublic = publicKeyOf(content.epoch);
      if (ecdhPublic === undefined)
        throw new RelayError('unknown-epoch', { details: { epoch: `epoch ${content.epoch}` } });
      return ecdhRecordContent({ ...content, identity, ecdhPublic });
    }
    case 'envelope':
      return envelopeContent(content);
    case 'login':
      return loginContent({ ...content, identity });
    case 'worker-message':
      return workerMessageContent({ ...content, worker: identity }, content.sequence);
    case 'worker-endpoint':
      return endpointContent({ ...content, identity });
    default:
      throw new RelayError('bad-value', {
        details: { what: 'The content to sign', reason: 'the vault does not know its type' },
      });
  }
}
