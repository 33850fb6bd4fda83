// Flows for the worker's tests, and hands to hold their tasks by.
import { type AnyFlow, flow, linear, type TaskContext, task } from '@holdfast/flow';

/** A task that tells when it is called, and does what the test says then. */
export interface Step {
  /** One for each call of user code, oldest first. */
  readonly calls: TaskContext[];
  /** What the task does; to begin with it returns at once. */
  act: (context: TaskContext) => Promise<void>;
}

export function step(): Step {
  return { calls: [], act: async () => undefined };
}

/** A flow of tasks one after the other, each as its step says. */
export function stepFlow(name: string, steps: Readonly<Record<string, Step>>): AnyFlow {
  const [first, ...rest] = Object.entries(steps).map(([taskName, what]) =>
    task({
      name: taskName,
      retry: { attempts: 1 },
      execute: async (_values: object, context) => {
        what.calls.push(context);
        await what.act(context);
      },
    }),
  );
  if (!first) throw new Error('a flow has at least one step');
  return flow({ name, body: linear('main', first, ...rest) });
}

/** Resolves when the signal aborts, as a well-behaved task does, and throws its reason. */
export function untilAborted({ signal }: TaskContext): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
