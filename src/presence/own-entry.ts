import type { Chain, WorkerRecord } from '../chain/index.ts';
import {
  decodeEcdhRecord,
  ecdhRecordContent,
  encodeEcdhRecord,
  fromHex,
  isEcdhRecord,
  type Hex,
} from '../codec/index.ts';
import { verify } from '../crypto/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Vault } from '../vault/index.ts';

/** Epochs of the valid ECDH records of an entry; 0 alone where there is none. */
export function publishedEpochs(genesisHash: Hex, { info, endpoints }: WorkerRecord): readonly number[] {
  const epochs = endpoints.filter(isEcdhRecord).flatMap((text) => {
    try {
      const record = decodeEcdhRecord(text);
      const content = ecdhRecordContent({ genesisHash, identity: info.identity, ...record });
      return verify(fromHex(info.identity), content, record.signature) ? [record.epoch] : [];
    } catch (error) {
      if (error instanceof RelayError) return []; // a junk record proves nothing
      throw error;
    }
  });
  return epochs.length > 0 ? epochs : [0];
}

/** The URLs of an entry, its records left out. */
export function publishedUrls({ endpoints }: WorkerRecord): readonly string[] {
  return endpoints.filter((endpoint) => !isEcdhRecord(endpoint));
}

/** The record that proves an epoch of the vault (protocol.md §7). Throws unknown-epoch. */
export async function signedRecord(vault: Vault, chain: Pick<Chain, 'genesisHash'>, epoch: number): Promise<string> {
  const key = (await vault.ecdhKeys()).find((candidate) => candidate.epoch === epoch);
  if (key === undefined) throw new RelayError('unknown-epoch', { details: { epoch: `epoch ${epoch}` } });
  const signature = await vault.sign({ type: 'ecdh-record', genesisHash: chain.genesisHash, epoch });
  return encodeEcdhRecord({ ecdhPublic: key.publicKey, epoch, signature });
}
