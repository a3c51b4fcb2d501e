import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { asRelayError } from '../errors/index.ts';
import { checkAddress, type EndpointPolicy } from './endpoint-policy.ts';
import type { ResolveAll } from './resolve-name.ts';

/**
 * For net.connect: resolves a name once for the connection and gives only addresses that the policy lets through, so a
 * name can't point elsewhere between the check and the dial. One refused address refuses the name.
 */
export function pinnedLookup(policy: EndpointPolicy, resolve: ResolveAll): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, (error, addresses = []) => {
      const failed = error ?? refusal(addresses, hostname, policy);
      const [first] = addresses;
      if (failed !== undefined || first === undefined) callback(failed ?? new Error(`${hostname} has no address`), []);
      else if (options.all === true) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    });
  };
}

function refusal(
  addresses: readonly LookupAddress[],
  hostname: string,
  policy: EndpointPolicy,
): NodeJS.ErrnoException | undefined {
  try {
    for (const { address } of addresses) checkAddress(address, hostname, policy);
    return undefined;
  } catch (error) {
    return asRelayError(error, 'endpoint-refused', { endpoint: hostname });
  }
}
