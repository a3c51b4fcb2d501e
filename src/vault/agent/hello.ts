import { Reader, Writer } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { text, utf8 } from './text.ts';

// Every byte of it: docs/agent.md.

export const protocolVersion = 1;
const magic = utf8('khala-relay agent');

/** What both sides say first. */
export interface Hello {
  readonly version: number;
  /** Empty from the client. */
  readonly rest: Uint8Array;
}

export function encodeHello(rest: Uint8Array = new Uint8Array()): Uint8Array {
  return new Writer().raw(magic).u8(protocolVersion).raw(rest).finish();
}

/** Throws agent-protocol for what is no hello. */
export function decodeHello(bytes: Uint8Array): Hello {
  const begin = bytes.subarray(0, magic.length);
  const version = bytes[magic.length];
  if (version === undefined || !magic.every((byte, i) => begin[i] === byte))
    throw new RelayError('agent-protocol', { details: { reason: 'it does not begin as an agent does' } });
  return { version, rest: bytes.slice(magic.length + 1) };
}

/** Who answers: what an agent says of itself in its hello. */
export interface AgentFacts {
  readonly identity: Uint8Array;
  readonly dataPath: string;
}

export function encodeFacts({ identity, dataPath }: AgentFacts): Uint8Array {
  return new Writer().raw(identity).bytes(utf8(dataPath)).finish();
}

export function decodeFacts(bytes: Uint8Array): AgentFacts {
  const reader = new Reader(bytes, 'The hello of the agent');
  const facts = { identity: reader.fixed(32), dataPath: text(reader.bytes()) };
  reader.end();
  return facts;
}
