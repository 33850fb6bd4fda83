/** The part of a JSON Schema that a sample is made from. */
interface SchemaPart {
  readonly type?: unknown;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, SchemaPart>>;
  readonly required?: readonly string[];
  readonly items?: SchemaPart;
  readonly minItems?: number;
}

const MAX_DEPTH = 4;
/** Items of a list that a sample shows at most. */
const MAX_ITEMS = 3;

/**
 * An input to start from, as JSON: every required property with a value of its type. It shows the
 * shape; whether its values make sense is for the flow's author to say.
 */
export function sampleInput(schemaJson: string): string {
  if (schemaJson === '') return '{}';
  const schema = JSON.parse(schemaJson) as SchemaPart; // what workers register is a JSON Schema
  return JSON.stringify(sampleOf(schema, 0) ?? {});
}

function sampleOf(schema: SchemaPart, depth: number): unknown {
  if (schema.default !== undefined) return schema.default;
  if (schema.enum && schema.enum.length > 0) return schema.enum[0];
  const type = Array.isArray(schema.type) ? (schema.type[0] as unknown) : schema.type;
  switch (type) {
    case 'object': {
      if (depth >= MAX_DEPTH) return {};
      const required = schema.required ?? [];
      const properties = Object.entries(schema.properties ?? {});
      return Object.fromEntries(
        properties
          .filter(([name]) => required.includes(name))
          .map(([name, property]) => [name, sampleOf(property, depth + 1)]),
      );
    }
    case 'array': {
      const { items = {}, minItems = 0 } = schema;
      const count = depth >= MAX_DEPTH ? 0 : Math.min(minItems, MAX_ITEMS);
      return Array.from({ length: count }, () => sampleOf(items, depth + 1));
    }
    case 'number':
    case 'integer':
      return 1;
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return '…';
  }
}
