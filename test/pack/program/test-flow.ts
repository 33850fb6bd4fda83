import { testFlow } from '@holdfast/flow/testing';
import { greeting } from './greeting.ts';

const { trace } = await testFlow(greeting, { input: { name: 'Ada' }, fail: { greet: 1 } });
const states = trace.events.flatMap((event) => (event.kind === 'transition' ? [event.to] : []));
console.log(['pending', ...states].join(' -> '));
