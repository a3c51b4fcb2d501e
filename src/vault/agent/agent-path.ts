const scheme = 'agent:';

/** The socket of a vault given as `agent:PATH`; undefined where it is the path of a file. */
export function agentSocket(vault: string): string | undefined {
  return vault.startsWith(scheme) ? vault.slice(scheme.length) : undefined;
}
