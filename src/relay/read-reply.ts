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

/** Whose word, and on what. */
export interface OpenedReply extends Reply {
  /** Who answers: its signature was checked. */
  readonly from: Hex;
  readonly inReplyTo: Hex;
}

/**
 * Opens what a relay gives as an answer (SCALE of a SignedEnvelope). A relay is trusted with nothing: undefined for what is not
 * signed by a worker that says it is its sender, the one `from` where it is given, does not open, or is no reply. Throws failures
 * of the vault.
 */
export async function openReply(
  signedEnvelope: Uint8Array,
  { vault, genesisHash, from: asked }: Pick<ReplyQuestion, 'vault' | 'genesisHash'> & Partial<ReplyQuestion>,
): Promise<OpenedReply | undefined> {
  try {
    const { identity: from, envelope, signature } = decodeSignedEnvelope(signedEnvelope);
    const { fromKind, from: claimed } = decodeV1(envelope).header;
    if (fromKind !== 'worker' || claimed !== from) return undefined;
    if (asked !== undefined && asked !== from) return undefined;
    if (!verify(fromHex(from), envelopeContent({ genesisHash, envelope }), signature)) return undefined;
    const { body, header } = await vault.open({ genesisHash, envelope });
    if (body.kind !== 'reply') return undefined;
    const { inReplyTo, content } = body;
    return { messageId: messageId({ genesisHash, envelope }), from, inReplyTo, content, sentAt: header.sentAt };
  } catch (error) {
    if (!isRelayError(error) || isLocalFailure(error)) throw error;
    return undefined;
  }
}

/**
 * Reads what a relay gives as the answer to a message (SCALE of a SignedEnvelope): undefined for what {@link openReply} does not
 * open, is not of whom was asked, or answers something else. Throws failures of the vault.
 */
export async function readReply(signedEnvelope: Uint8Array, question: ReplyQuestion): Promise<Reply | undefined> {
  const reply = await openReply(signedEnvelope, question);
  if (reply?.inReplyTo !== question.inReplyTo) return undefined;
  const { messageId: id, content, sentAt } = reply;
  return { messageId: id, content, sentAt };
}
