import { agentErrors } from './catalogue/agent.ts';
import { chainErrors } from './catalogue/chain.ts';
import { cliErrors } from './catalogue/cli.ts';
import { contractErrors } from './catalogue/contract.ts';
import { devChainErrors } from './catalogue/dev-chain.ts';
import { phalaErrors } from './catalogue/phala.ts';
import { presenceErrors } from './catalogue/presence.ts';
import { workerStateErrors } from './catalogue/worker-state.ts';

/** Of parts that no browser has: there not-in-browsers.ts is in place of this file, as `browser` in package.json says. */
export const nodeOnlyErrors = {
  ...agentErrors,
  ...chainErrors,
  ...cliErrors,
  ...contractErrors,
  ...devChainErrors,
  ...phalaErrors,
  ...presenceErrors,
  ...workerStateErrors,
} as const;
