// Flows for the tests of the commands that change stopped jobs.
import { type Flow, flow, linear, task } from '@holdfast/flow';
import { z } from 'zod';

const retry = { attempts: 1 };

const resolve = task({
  name: 'resolve',
  provides: { address: z.string(), zone: z.string() },
  execute: () => ({ address: 'wrong', zone: 'eu' }),
});

const create = task({
  name: 'create-volume',
  requires: { zone: z.string() },
  execute() {},
  revert() {
    throw new Error('the volume is in use');
  },
});

const deploy = task({
  name: 'deploy',
  requires: { address: z.string() },
  provides: { url: z.string() },
  execute: ({ address }) => {
    if (address === 'wrong') throw new Error(`nobody is at ${address}`);
    return { url: `https://${address}/` };
  },
});

const announce = task({
  name: 'announce',
  requires: { url: z.string() },
  execute() {},
});

/** Fails at its third task, and can't be reverted. */
export const provision: Flow = flow({
  name: 'provision',
  retry,
  body: linear('all', resolve, create, deploy, announce),
});

/** The same without anything to revert. */
export const release: Flow = flow({
  name: 'release',
  retry,
  body: linear('all', resolve, deploy, announce),
});
