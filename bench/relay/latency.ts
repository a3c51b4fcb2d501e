import { median, rounded, type Result } from '../harness.ts';
import { Child } from './child.ts';
import { inFolder } from './in-folder.ts';
import type { LoadOptions, LoadResult, Target } from './latency-process.ts';
import { entity } from './traffic.ts';

const rounds = 9;
const seconds = 2;
const inFlight = 128;
const rehearsal = 8_000;

/**
 * From the socket of a sender to the opened message at its recipient, by a relay, against an echo of the same bytes that are
 * opened too, through a bare server that writes them to LMDB; both at half the rate that the relay takes at most.
 */
export function latency(): Promise<readonly Result[]> {
  return inFolder(async (folder) => {
    const [relay, bare] = [new Child('relay-process.ts'), new Child('bare-process.ts')];
    const [ours, baseline] = [new Child('latency-process.ts'), new Child('latency-process.ts')];
    try {
      const recipients = Array.from({ length: 10 }, (_, i) => entity('recipient', i).identity);
      const url = await relay.ask<string>('start', { folder: `${folder}/relay`, recipients });
      const bareUrl = await bare.ask<string>('echo', { folder: `${folder}/bare` });
      await ours.ask('connect', { url, kind: 'relay' } satisfies Target);
      await baseline.ask('connect', { url: bareUrl, kind: 'bare' } satisfies Target);
      await load(ours, { messages: rehearsal, inFlight });
      await load(baseline, { messages: rehearsal, inFlight });
      const peak = await load(ours, { messages: rehearsal, inFlight });
      const perSecond = Math.floor(peak.perSecond / 2);
      const options = { messages: perSecond * seconds, perSecond, inFlight: 10_000 };
      const measured: { ours: LoadResult; baseline: LoadResult }[] = [];
      for (let round = 0; round < rounds; round++)
        measured.push({ ours: await load(ours, options), baseline: await load(baseline, options) });
      await Promise.all([ours.ask('close'), baseline.ask('close')]);
      await Promise.all([relay.ask('stop'), bare.ask('stop')]);
      return (['p50Ms', 'p99Ms'] as const).map((key) => ({
        name: `relay/latency-${key.slice(0, 3)}`,
        unit: `ms at ${perSecond}/s`,
        ours: rounded(median(measured.map((round) => round.ours[key]))),
        baseline: rounded(median(measured.map((round) => round.baseline[key]))),
        ratio: rounded(median(measured.map((round) => round.ours[key] / round.baseline[key]))),
      }));
    } finally {
      await Promise.all([relay, bare, ours, baseline].map((child) => child.end()));
    }
  });
}

async function load(child: Child, options: LoadOptions): Promise<LoadResult> {
  await child.ask('prepare', options.messages);
  return child.ask<LoadResult>('run', options);
}
