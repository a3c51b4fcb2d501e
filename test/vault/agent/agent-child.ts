// A process of the agent's tests.
// `serve VAULT SOCKET [PASSPHRASE]` is an agent; `use WHERE PEER-KEY PEER-IDENTITY ENVELOPE [PASSPHRASE]` uses a vault (a file
// or agent:SOCKET) for everything there is, prints "used" and stays.
import { fromHex, type Hex } from '../../../src/codec/index.ts';
import { openVault, serveVault } from '../../../src/vault/index.ts';
import { genesisHash, passphrase } from '../../support/vaults.ts';

const [what, ...rest] = process.argv.slice(2);
if (what === 'serve') {
  const [path = '', socket = '', word = passphrase] = rest;
  await serveVault({ vault: await openVault({ path, passphrase: word }), socket, dataPath: 'data' });
  console.log('ready');
} else {
  const [where, peerKey, peer, envelope, word] = rest as [string, Hex, Hex, Hex, string?];
  const vault = await openVault({ path: where, ...(word === undefined ? {} : { passphrase: word }) });
  const recipientKey = fromHex(peerKey);
  for (let n = 0n; n < 50n; n++) {
    const body = { kind: 'data', content: '0x0102' } as const;
    await vault.seal({ genesisHash, to: peer, recipientKey, nonce: n, sentAt: n, body });
    await vault.open({ genesisHash, envelope: fromHex(envelope) });
    await vault.sign({ type: 'envelope', genesisHash, envelope: fromHex(envelope) });
    await vault.sealPhala({ recipientKey, content: Uint8Array.of(1) });
  }
  await vault.rotate();
  console.log('used');
  setInterval(() => vault, 1_000);
}
