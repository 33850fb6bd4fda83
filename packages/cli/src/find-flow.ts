import type { Client } from '@holdfast/client';
import { NotFoundError } from '@holdfast/core';
import type { FlowFields } from '@holdfast/wire';

/** A flow as it is registered; undefined when it isn't (any more). */
export async function findFlow(client: Client, name: string): Promise<FlowFields | undefined> {
  try {
    return (await client.flow(name)).flow;
  } catch (error) {
    // A job outlives the registration of its flow; it is shown without the tasks it has not reached.
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
}
