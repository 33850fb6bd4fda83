import { malformed } from './malformed-message.ts';

/** Both directions between the names a domain type uses and the numbers of a protobuf enum. */
export interface EnumNames<Name extends string, Value extends number> {
  toProto(name: Name): Value;
  /** The name of a number; undefined for one that has none here. */
  find(value: number): Name | undefined;
  /** Throws HoldfastError INTERNAL naming `place` for a number that has no name here. */
  fromProto(value: number, place: string): Name;
}

/** `values` lists every name once; the number for "unspecified" has no name, and so is refused. */
export function enumNames<Name extends string, Value extends number>(
  values: Readonly<Record<Name, Value>>,
): EnumNames<Name, Value> {
  const names = new Map<number, Name>();
  // Object.entries forgets that the keys are names; the parameter's type says they are.
  for (const [name, value] of Object.entries(values) as [Name, Value][]) names.set(value, name);
  return {
    toProto: (name) => values[name],
    find: (value) => names.get(value),
    fromProto(value, place) {
      const name = names.get(value);
      if (name === undefined) throw malformed(place, `has the unknown value ${value}`);
      return name;
    },
  };
}
