import { decodeSignedEnvelope, envelopeContent, fromHex, messageId, type Hex } from '../codec/index.ts';
import { decodeV1, verify } from '../crypto/core.ts';
import { isRelayError, isLocalFailure } from '../errors/index.ts';
import type { Vault } from '../vault/vault.ts';

/** An answer, proven to be of whom was asked. */
export interface Reply {
  readonly messageId: Hex;
  /** Empty: the message was read, and there is nothing to say. */
  readonly content: Uint8Array;
  /** Unix time, ms, by the clock of who answered. */
  readonly sentAt: bigint;
}

export interface ReplyQuestion {
  readonly vault: Pick<Vault, 'open'>;
  readonly genesisHash: Hex;
  /** Who was asked. */
  readonly from: Hex;
  readonly inReplyTo: Hex;
}

/**
 * Reads what a relay gives as the answer to a message (SCALE of a SignedEnvelope). A relay is trusted with nothing: undefined
 * for what is not signed by whom was asked, does not open, or answers something else. Throws failures of the vault.
 */
export async function readReply(signedEnvelope: Uint8Array, question: ReplyQuestion): Promise<Reply | undefined> {
  const { vault, genesisHash, from, inReplyTo } = question;
  try {
    const { identity, envelope, signature } = decodeSignedEnvelope(signedEnvelope);
    const { fromKind, from: claimed } = decodeV1(envelope).header;
    if (fromKind !== 'worker' || identity !== from || claimed !== from) return undefined;
    if (!verify(fromHex(from), envelopeContent({ genesisHash, envelope }), signature)) return undefined;
    const { body, header } = await vault.open({ genesisHash, envelope });
    if (body.kind !== 'reply' || body.inReplyTo !== inReplyTo) return undefined;
    return { messageId: messageId({ genesisHash, envelope }), content: body.content, sentAt: header.sentAt };
  } catch (error) {
    if (!isRelayError(error) || isLocalFailure(error)) throw error;
    return undefined;
  }
}
