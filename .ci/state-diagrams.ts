// Draws the state machines into the documents, from the tables that the code goes by.
//
// A document holds a drawing between `<!-- states: NAME -->` and `<!-- /states -->`. Run as a script, this
// writes them; a test of the documents holds them to what it would write.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { JOB_TRANSITIONS, RETRY_TRANSITIONS, TASK_TRANSITIONS } from '@holdfast/core';
import { ROOT } from './command.ts';

type Transitions = Readonly<Record<string, readonly string[]>>;

/** The document with the drawings. */
export const DIAGRAMS_DOCUMENT: string = 'packages/core/README.md';

const MACHINES: ReadonlyMap<string, Transitions> = new Map<string, Transitions>([
  ['job', JOB_TRANSITIONS],
  ['task', TASK_TRANSITIONS],
  ['retry controller', RETRY_TRANSITIONS],
]);

/** The document's text with every drawing as the tables have it now. Throws for a machine that isn't there. */
export function withDiagrams(text: string): string {
  return text.replaceAll(
    /<!-- states: ([^>]+) -->\n[\s\S]*?<!-- \/states -->/g,
    (_all, name: string) => {
      const machine = MACHINES.get(name);
      if (!machine) throw new Error(`no state machine is called '${name}'`);
      const drawing = `\`\`\`mermaid\n${draw(machine)}\n\`\`\``;
      return `<!-- states: ${name} -->\n\n${drawing}\n\n<!-- /states -->`;
    },
  );
}

function draw(machine: Transitions): string {
  const reached = new Set(Object.values(machine).flat());
  const lines = ['stateDiagram-v2'];
  for (const [from, next] of Object.entries(machine)) {
    // A state that nothing leads to and that leads nowhere is none of this machine.
    if (!reached.has(from) && next.length === 0) continue;
    if (!reached.has(from)) lines.push(`  [*] --> ${from}`);
    for (const to of next) lines.push(`  ${from} --> ${to}`);
    if (next.length === 0) lines.push(`  ${from} --> [*]`);
  }
  return lines.join('\n');
}

if (import.meta.main) {
  const file = join(ROOT, DIAGRAMS_DOCUMENT);
  writeFileSync(file, withDiagrams(readFileSync(file, 'utf8')));
}
