import type { BlockNumber } from '../chain/index.ts';
import { messageId, type Body, type FromKind, type Hex } from '../codec/index.ts';
import { isLost } from './acknowledgements.ts';
import type { OpenedMessage } from './arrival.ts';
import type { Place } from './fair-shares.ts';
import type { Delivery } from './inbox.ts';
import type { MessageRecord, Sequence } from './stream-item.ts';

/** What all deliveries of an inbox have in common. */
export interface DeliveryContext {
  readonly genesisHash: Hex;
  readonly acknowledge: (sequence: Sequence, isFinal: boolean) => Promise<void>;
  readonly leave: (sequence: Sequence) => void;
}

/** What the consumer gets of an accepted message. Most is read of it when it is asked for: not all consumers ask for all. */
export class StoredDelivery implements Delivery {
  readonly #sequence: Sequence;
  readonly #record: MessageRecord;
  readonly #opened: OpenedMessage;
  readonly #place: Place;
  readonly #context: DeliveryContext;
  readonly suite = 'v1';
  #messageId: Hex | undefined;
  #body: Body | undefined;
  #acknowledged: Promise<void> | undefined;

  constructor(
    sequence: Sequence,
    record: MessageRecord,
    opened: OpenedMessage,
    place: Place,
    context: DeliveryContext,
  ) {
    this.#sequence = sequence;
    this.#record = record;
    this.#opened = opened;
    this.#place = place;
    this.#context = context;
  }

  get registered(): boolean {
    return this.#place.isRegistered;
  }

  get messageId(): Hex {
    const { genesisHash } = this.#context;
    return (this.#messageId ??= messageId({ genesisHash, envelope: this.#record.envelope }));
  }

  get from(): Hex {
    return this.#opened.header.from;
  }

  get fromKind(): FromKind {
    return this.#opened.header.fromKind;
  }

  get to(): Hex {
    return this.#opened.header.to;
  }

  get nonce(): bigint {
    return this.#opened.header.nonce;
  }

  get sentAt(): bigint {
    return this.#opened.header.sentAt;
  }

  get senderKey(): Uint8Array {
    return this.#opened.header.senderKey.slice(); // the one in the header is not this message's alone
  }

  get via(): 'chain' | 'relay' {
    return this.#record.block === undefined ? 'relay' : 'chain';
  }

  get block(): BlockNumber | undefined {
    return this.#record.block?.number;
  }

  get finalized(): boolean {
    return this.#record.isFinal;
  }

  get proven(): boolean {
    return this.#record.isFinal && this.#record.isProven;
  }

  get body(): Body {
    return (this.#body ??= ownBody(this.#opened.body));
  }

  ack(): Promise<void> {
    this.#place.release();
    if (this.#acknowledged === undefined || isLost(this.#acknowledged))
      this.#acknowledged = this.#context.acknowledge(this.#sequence, this.#record.isFinal);
    return this.#acknowledged;
  }

  leave(): void {
    if (this.#acknowledged !== undefined && !isLost(this.#acknowledged)) return;
    this.#place.release();
    this.#context.leave(this.#sequence);
  }
}

/** In memory of its own: those of messages that were opened together share theirs. */
function ownBody(body: Body): Body {
  switch (body.kind) {
    case 'invocation':
      return { ...body, input: body.input.slice() };
    default:
      return { ...body, content: body.content.slice() };
  }
}
