import { decodeEnvelope, type Header } from '../../../src/codec/index.ts';

/** 0 for what is no envelope. */
export function nonceIn(payload: Uint8Array): bigint {
  return headerIn(payload)?.nonce ?? 0n;
}

/** As it says itself; undefined of what is no envelope. */
export function senderIn(payload: Uint8Array): string | undefined {
  const header = headerIn(payload);
  return header && `${header.fromKind} ${header.from}`;
}

function headerIn(payload: Uint8Array): Header | undefined {
  try {
    const envelope = decodeEnvelope(payload);
    return envelope.suite === 'v1' ? envelope.header : undefined;
  } catch {
    return undefined;
  }
}
