import { testEveryCrash, testFlow } from '@holdfast/flow/testing';
import { describe, expect, it } from 'vitest';
import { type BuildInput, distributedBuild } from './distributed-build.ts';

const input: BuildInput = {
  modules: [
    { name: 'shop', source: 'import cart\nimport log\nopen the shop' },
    { name: 'cart', source: 'import log\nfetch a cart\n\npush it' },
    { name: 'log', source: 'sharpen the pencil' },
  ],
};

const output = {
  reports: ['shop: code 1, imports 2', 'cart: code 2, imports 1', 'log: code 1, imports 0'],
  program: 'sharpen the pencil\nfetch a cart\npush it\nopen the shop',
  digest: '82cd7467ffdc932735d008a6d8c28b0cac37fbf0a1370940bbee13e62ff675be',
};

describe('the distributed build', () => {
  it('compiles and tests every module, and links each after those that it imports', async () => {
    const trial = await testFlow(distributedBuild, { input });
    expect(trial.output).toEqual(output);
    expect(trial.task('compile[1]').result).toEqual({
      object: { name: 'cart', imports: ['log'], code: ['fetch a cart', 'push it'] },
    });
  });

  it('fails for a module that imports one which is not there, and names both', async () => {
    const [shop] = input.modules;
    const trial = await testFlow(distributedBuild, { input: { modules: shop ? [shop] : [] } });
    expect(trial.failure).toMatchObject({
      task: 'test[0]',
      message: 'shop imports cart, which is no module of this build',
    });
  });

  it('fails for modules that import each other', async () => {
    const modules = [
      { name: 'hen', source: 'import egg' },
      { name: 'egg', source: 'import hen' },
    ];
    const trial = await testFlow(distributedBuild, { input: { modules } });
    expect(trial.failure).toMatchObject({
      task: 'link',
      message: 'modules import each other: hen → egg → hen',
    });
  });

  it('says in its graph which tasks run elsewhere, and what they ask of a worker', () => {
    const { nodes } = distributedBuild.graph;
    const [buildAll] = nodes;
    expect(nodes.map(({ name, runsOn }) => [name, runsOn])).toEqual([
      ['build-all', undefined],
      ['link', { role: 'linker' }],
      ['sign', undefined],
    ]);
    expect(buildAll?.body?.nodes.map(({ runsOn }) => runsOn)).toEqual([{}, {}]);
  });

  it('is the same after a crash at any commit', async () => {
    const { uninterrupted, interrupted } = await testEveryCrash(distributedBuild, {
      input,
      concurrency: 1,
    });
    for (const { trial } of interrupted) expect(trial.output).toEqual(uninterrupted.output);
  });
});
