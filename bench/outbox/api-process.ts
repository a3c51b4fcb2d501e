// `api-process.ts URL MESSAGES BYTES BATCHES`: builds and signs batches of messages with @polkadot/api.
import { ApiPromise, WsProvider } from '@polkadot/api';
import { Keyring } from '@polkadot/keyring';
import { u8aToHex } from '@polkadot/util';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { costOf } from '../cost.ts';

const [ws = '', count = '', bytes = '', batchCount = ''] = process.argv.slice(2);
const [messages, messageBytes, batches] = [Number(count), Number(bytes), Number(batchCount)];
/** Header, iv, tag, lengths and variants of an envelope round its body. */
const envelopeOverhead = 183;

await cryptoWaitReady();
const api = await ApiPromise.create({ provider: new WsProvider(ws) as never, noInitWarn: true });
const alice = new Keyring({ type: 'sr25519' }).addFromUri('//Alice');
const topic = u8aToHex(new Uint8Array(47).fill(1));
const envelopes = Array.from({ length: messages }, () =>
  crypto.getRandomValues(new Uint8Array(messageBytes + envelopeOverhead)),
);
const perBatch = Math.ceil(messages / batches);
const first = (await api.rpc.system.accountNextIndex(alice.address)).toNumber();

const cost = await costOf(async () => {
  for (let batch = 0; batch < batches; batch++) {
    const calls = envelopes
      .slice(batch * perBatch, (batch + 1) * perBatch)
      .map((envelope) => api.tx.phalaMq.pushMessage(topic, u8aToHex(envelope)));
    const signed = await api.tx.utility.forceBatch(calls).signAsync(alice, { nonce: first + batch });
    signed.toHex();
  }
});
console.log(JSON.stringify(cost));
process.exit();
