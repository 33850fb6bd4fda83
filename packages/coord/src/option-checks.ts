// What drivers of stores across a network ask of their options, in the same words on every store.
import { InvalidArgumentError } from '@holdfast/core';

const HOST_PORT_PATTERN = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/;
const MAX_PORT = 65_535;

/** What the address of a server may be, in words for error messages. */
export const HOST_PORT_RULE =
  'HOST:PORT, where HOST is a name, an IPv4 address or an IPv6 address in brackets, and PORT is 1 to 65535';

/** True for a well-formed HOST:PORT. */
export function isHostPort(text: string): boolean {
  const port = Number(HOST_PORT_PATTERN.exec(text)?.[1] ?? 0);
  return port >= 1 && port <= MAX_PORT;
}

/** Throws {@link InvalidArgumentError} when there is none, or for the first that is no HOST:PORT. */
export function checkHostPorts(field: string, addresses: readonly string[]): void {
  if (addresses.length === 0) {
    throw new InvalidArgumentError(field, { value: '', allowed: 'at least one HOST:PORT' });
  }
  for (const [index, value] of addresses.entries()) {
    if (isHostPort(value)) continue;
    throw new InvalidArgumentError(`${field}[${index}]`, { value, allowed: HOST_PORT_RULE });
  }
}

/** Throws {@link InvalidArgumentError} unless `value` is a whole number within the bounds, or absent. */
export function checkWhole(
  field: string,
  value: number | undefined,
  [least, most]: readonly [number, number],
): void {
  if (value === undefined) return;
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new InvalidArgumentError(field, {
    value,
    allowed: `a whole number from ${least} to ${most}`,
  });
}
