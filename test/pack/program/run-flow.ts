// A flow run by itself, without a board: `@holdfast/flow` and `@holdfast/core` as a user installs them.
import { decodeJson, encodeJson, silentLogger, systemClock, systemRandom } from '@holdfast/core';
import { runFlow } from '@holdfast/flow';
import { greeting } from './greeting.ts';

const result = await runFlow({
  flow: greeting,
  input: encodeJson({ name: 'Ada' }),
  identity: { jobId: 'job', attempt: 1, worker: 'worker', fence: 1n },
  atoms: [],
  checkpoint: async () => undefined,
  signal: new AbortController().signal,
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
});
console.log(result.kind === 'succeeded' ? decodeJson(result.output) : result);
