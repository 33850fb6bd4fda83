import type { StandardSchemaV1 } from '@standard-schema/spec';
import { createSchema } from './schema.ts';

/**
 * A schema that is nothing but a type, for those who want no schema library. **Unchecked**: the
 * compiler holds the flow to `T`, but at run time any value passes, and whatever comes from outside
 * (the flow's input, a checkpoint that an older version wrote) is taken at its word. Only a value that is
 * missing is refused; `optional(type<T>())` lets it be.
 *
 * @example requires: { user: type<User>() }
 */
export function type<T extends {} | null>(): StandardSchemaV1<T> {
  // Whoever names the type vouches for it; see above.
  return ANYTHING as StandardSchemaV1<T>;
}

const ANYTHING: StandardSchemaV1 = createSchema((value) =>
  value === undefined ? { issues: [{ message: 'is missing' }] } : { value },
);
