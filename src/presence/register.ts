import type { Call, Inclusion } from '../chain/index.ts';
import { RelayError } from '../errors/index.ts';
import type { PresenceOptions } from './presence-options.ts';
import { checkEndpoints, currentEpoch, endpointCall, submit } from './publish.ts';

/**
 * Registers the vault's entity and publishes its endpoints and the record of its current epoch, in one extrinsic: by
 * force through sudo where the account is the sudo key, else as a worker registers itself, without attestation.
 * Throws what {@link checkEndpoints} throws, attestation-needed, and what Chain.submit throws.
 */
export async function registerEntity(options: PresenceOptions, urls: readonly string[] = []): Promise<Inclusion> {
  checkEndpoints(urls);
  const { chain, vault, account } = options;
  const isSudo = await chain.isSudo(account.id, options.signal);
  if (!isSudo && !chain.info.noneAttestationEnabled) throw new RelayError('attestation-needed');
  const keys = await vault.ecdhKeys();
  const epoch = await currentEpoch(options);
  const key = keys.find((candidate) => candidate.epoch === 0) ?? keys.find((candidate) => candidate.epoch === epoch);
  if (key === undefined) throw new RelayError('unknown-epoch', { details: { epoch: `epoch ${epoch}` } });
  const registration: Call = {
    kind: isSudo ? 'force-register-worker' : 'register-worker',
    identity: vault.identity,
    ecdhKey: key.publicKey,
    operator: account.id,
  };
  return submit(options, [registration, await endpointCall(options, urls, epoch)]);
}
