import { type Flow, type WorkflowContext, workflow } from '@holdfast/flow';
import { z } from 'zod';

/** What an order asks for. */
export interface OrderInput {
  readonly item: string;
  readonly cents: number;
}

/** What became of an order. */
export interface OrderOutput {
  readonly parcel: string;
  readonly approvedBy: string;
}

/** Orders above this have to be approved. */
const APPROVAL_ABOVE_CENTS = 100_00;

const DAY_MS = 86_400_000;

/**
 * A flow in plain code: an order that reserves and charges side by side, waits for an approval where it
 * is expensive, lets a day pass, and ships. It survives a crash at any point, and when it fails, what
 * was done is undone.
 *
 *     holdfast post order --input '{"item":"lamp","cents":25000}'
 *     holdfast signal JOB approve --data '{"by":"Ada"}'
 */
export const order: Flow<OrderInput, OrderOutput> = workflow(
  {
    name: 'order',
    description: 'Reserves, charges, waits for an approval, and ships.',
    input: z.object({ item: z.string().min(1), cents: z.int().positive() }),
    retry: { attempts: 5 },
  },
  async (ctx, { item, cents }) => {
    await ctx.all([reserve(ctx, item), charge(ctx, cents)]);
    const approvedBy = cents > APPROVAL_ABOVE_CENTS ? await approval(ctx) : 'nobody';
    await ctx.sleep('second-thoughts', DAY_MS);
    const parcel = await ctx.step('ship', ({ idempotencyKey, log }) => {
      log.info({ item }, 'shipped');
      return `parcel of ${idempotencyKey}`;
    });
    return { parcel, approvedBy };
  },
);

function reserve(ctx: WorkflowContext, item: string): Promise<string> {
  return ctx.step(
    'reserve',
    ({ idempotencyKey, log }) => {
      log.info({ item }, 'reserved');
      return `reservation of ${idempotencyKey}`;
    },
    { revert: ({ result, log }) => log.info({ reservation: result }, 'put back') },
  );
}

function charge(ctx: WorkflowContext, cents: number): Promise<string> {
  return ctx.step(
    'charge',
    // A payment provider that is handed the idempotency key charges once, however often this runs.
    ({ idempotencyKey, log }) => {
      log.info({ cents }, 'charged');
      return `charge of ${idempotencyKey}`;
    },
    { timeoutMs: 30_000, revert: ({ result, log }) => log.info({ charge: result }, 'paid back') },
  );
}

/** Who approved it. Nobody within a week fails the order, which pays back and puts back. */
async function approval(ctx: WorkflowContext): Promise<string> {
  const schema = z.object({ by: z.string() });
  const { by } = await ctx.waitFor('approval', {
    event: 'approve',
    schema,
    timeoutMs: 7 * DAY_MS,
  });
  return by;
}
