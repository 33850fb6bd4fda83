import { InvalidArgumentError } from './errors.ts';
import { LIMITS } from './limits.ts';

// Names become parts of keys and of metric attributes: no slash, no space, nothing invisible.
const NAME_PATTERN = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;

/** What a flow, queue, task or label name may be, in words for error messages. */
export const NAME_RULE: string =
  `1 to ${LIMITS.nameLength} letters, digits, dots, dashes and underscores, ` +
  'starting and ending with a letter or digit';

/** True for a well-formed flow, queue, task or label name. */
export function isName(text: string): boolean {
  // Callers without types may hand in anything, and a list would be read as text.
  return typeof text === 'string' && text.length <= LIMITS.nameLength && NAME_PATTERN.test(text);
}

/** Returns `text` when it is a name; else throws {@link InvalidArgumentError} naming `field`. */
export function parseName(text: string, field: string): string {
  if (!isName(text)) throw new InvalidArgumentError(field, { value: text, allowed: NAME_RULE });
  return text;
}
