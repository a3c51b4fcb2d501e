// What runs in Chromium in web.bench.ts. The baseline is the JavaScript that web clients of Substrate chains commonly use.
import { gcm } from '@noble/ciphers/aes.js';
import { sr25519Agreement, sr25519PairFromSeed, sr25519Sign, sr25519Verify } from '@polkadot/util-crypto';
import {
  agree,
  createMemoryVault,
  deriveCommKey,
  keyPairFromSeed,
  sign,
  toHex,
  verify,
  type Hex,
} from '../../src/web/browser.ts';
import { measure, type Bench, type Result } from '../harness.ts';

const genesisHash: Hex = `0x${'01'.repeat(32)}`;
/** Length of what is signed for a message of 256 bytes, about. */
const contentLength = 600;
const additionalLength = 178;
/** Messages under way at once, as where many go in a row. */
const underWay = 64;

async function benches(): Promise<Bench[]> {
  const [seed, otherSeed] = [new Uint8Array(32).fill(2), new Uint8Array(32).fill(3)];
  const [pair, other] = [keyPairFromSeed(seed), keyPairFromSeed(otherSeed)];
  const theirs = sr25519PairFromSeed(seed);
  const content = new Uint8Array(contentLength).fill(1);
  const signature = sign(pair.secretKey, content);
  const [sender, recipient] = [createMemoryVault({ ecdh: pair }), createMemoryVault({ ecdh: other })];
  const [key, iv, aad] = [new Uint8Array(32).fill(4), new Uint8Array(12), new Uint8Array(additionalLength)];

  const messages = async (length: number): Promise<Bench[]> => {
    const body = { kind: 'data', content: new Uint8Array(length).fill(5) } as const;
    const seal = () =>
      sender.seal({
        ...{ genesisHash, to: recipient.identity, recipientKey: other.publicKey },
        ...{ nonce: 1n, sentAt: BigInt(Date.now()), body },
      });
    const envelope = await seal();
    const sealed = gcm(key, iv, aad).encrypt(body.content);
    const many = (operation: () => Promise<unknown>) => () => Promise.all(Array.from({ length: underWay }, operation));
    const size = length < 1_024 ? `${length}` : `${length / 1_024}k`;
    return [
      {
        name: `web/seal-${size}`,
        ours: many(seal),
        oursPerCall: underWay,
        baseline: () => gcm(key, iv, aad).encrypt(body.content),
      },
      {
        name: `web/open-${size}`,
        ours: many(() => recipient.open({ genesisHash, envelope })),
        oursPerCall: underWay,
        baseline: () => gcm(key, iv, aad).decrypt(sealed),
      },
    ];
  };

  return [
    ...(await messages(256)),
    ...(await messages(64 * 1_024)),
    {
      name: 'web/sign',
      ours: () => sign(pair.secretKey, content),
      baseline: () => sr25519Sign(content, theirs),
    },
    {
      name: 'web/verify',
      ours: () => verify(pair.publicKey, content, signature),
      baseline: () => sr25519Verify(content, signature, pair.publicKey),
    },
    {
      name: 'web/first-contact',
      ours: () => {
        const z = agree(pair.secretKey, other.publicKey);
        return deriveCommKey({ z, senderKey: pair.publicKey, recipientKey: other.publicKey });
      },
      baseline: () => sr25519Agreement(theirs.secretKey, other.publicKey),
    },
  ];
}

async function benchPage(): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const bench of await benches()) results.push(await measure(bench));
  return results;
}

declare global {
  var benchPage: () => Promise<readonly Result[]>;
}
globalThis.benchPage = benchPage;

// Both sides do what they are measured for.
if (
  toHex(sr25519PairFromSeed(new Uint8Array(32).fill(2)).publicKey) !==
  toHex(keyPairFromSeed(new Uint8Array(32).fill(2)).publicKey)
)
  throw new Error('they make other keys of a seed');
