// Decodes OTLP/JSON, as far as tests and the demo read it. The sender is OpenTelemetry's own
// exporter, and these are tools for tests, so the shapes below are taken at their word.

/** The value of an attribute; those of other types are left empty. */
export type ReceivedValue = string | number | boolean;

/** A span as it was exported. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Absent for the root of a trace. */
  readonly parentSpanId?: string | undefined;
  readonly name: string;
  readonly startUnixMs: number;
  readonly endUnixMs: number;
  readonly attributes: Readonly<Record<string, ReceivedValue>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status: { readonly code: 'unset' | 'ok' | 'error'; readonly message: string };
  /** `service.name` and the other attributes of the process that sent it. */
  readonly resource: Readonly<Record<string, ReceivedValue>>;
}

/** One point of a metric, as it was last exported. */
export interface ReceivedPoint {
  readonly name: string;
  readonly unit: string;
  readonly attributes: Readonly<Record<string, ReceivedValue>>;
  /** A counter's or gauge's value, or a histogram's number of records. */
  readonly value: number;
  readonly resource: Readonly<Record<string, ReceivedValue>>;
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: number | string;
    readonly doubleValue?: number;
    readonly boolValue?: boolean;
  };
}

interface OtlpResource {
  readonly attributes?: readonly OtlpAttribute[];
}

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly OtlpAttribute[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status?: { readonly code?: number; readonly message?: string };
}

interface OtlpTraces {
  readonly resourceSpans?: readonly {
    readonly resource?: OtlpResource;
    readonly scopeSpans?: readonly { readonly spans?: readonly OtlpSpan[] }[];
  }[];
}

interface OtlpPoint {
  readonly attributes?: readonly OtlpAttribute[];
  readonly asInt?: number | string;
  readonly asDouble?: number;
  readonly count?: number | string;
}

interface OtlpMetric {
  readonly name: string;
  readonly unit?: string;
  readonly sum?: { readonly dataPoints?: readonly OtlpPoint[] };
  readonly gauge?: { readonly dataPoints?: readonly OtlpPoint[] };
  readonly histogram?: { readonly dataPoints?: readonly OtlpPoint[] };
}

interface OtlpMetrics {
  readonly resourceMetrics?: readonly {
    readonly resource?: OtlpResource;
    readonly scopeMetrics?: readonly { readonly metrics?: readonly OtlpMetric[] }[];
  }[];
}

const STATUS_CODES = ['unset', 'ok', 'error'] as const;

/** The spans in the body of a request to `/v1/traces`. */
export function decodeSpans(body: unknown): readonly ReceivedSpan[] {
  const { resourceSpans = [] } = body as OtlpTraces; // decoder: see above
  return resourceSpans.flatMap((resource) => {
    const from = decodeAttributes(resource.resource?.attributes);
    const spans = resource.scopeSpans?.flatMap((scope) => scope.spans ?? []) ?? [];
    return spans.map((span) => decodeSpan(span, from));
  });
}

function decodeSpan(span: OtlpSpan, resource: ReceivedSpan['resource']): ReceivedSpan {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId || undefined,
    name: span.name,
    startUnixMs: Number(span.startTimeUnixNano) / 1e6,
    endUnixMs: Number(span.endTimeUnixNano) / 1e6,
    attributes: decodeAttributes(span.attributes),
    links: (span.links ?? []).map(({ traceId, spanId }) => ({ traceId, spanId })),
    status: {
      code: STATUS_CODES[span.status?.code ?? 0] ?? 'unset',
      message: span.status?.message ?? '',
    },
    resource,
  };
}

/** The points in the body of a request to `/v1/metrics`. */
export function decodePoints(body: unknown): readonly ReceivedPoint[] {
  const { resourceMetrics = [] } = body as OtlpMetrics; // decoder: see above
  return resourceMetrics.flatMap((resource) => {
    const from = decodeAttributes(resource.resource?.attributes);
    const all = resource.scopeMetrics?.flatMap((scope) => scope.metrics ?? []) ?? [];
    return all.flatMap((metric) => decodeMetric(metric, from));
  });
}

function decodeMetric(metric: OtlpMetric, resource: ReceivedPoint['resource']): ReceivedPoint[] {
  const points = (metric.sum ?? metric.gauge ?? metric.histogram)?.dataPoints ?? [];
  return points.map((point) => ({
    name: metric.name,
    unit: metric.unit ?? '',
    attributes: decodeAttributes(point.attributes),
    value: Number(point.asInt ?? point.asDouble ?? point.count ?? 0),
    resource,
  }));
}

function decodeAttributes(
  attributes: readonly OtlpAttribute[] = [],
): Readonly<Record<string, ReceivedValue>> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const number = value.intValue ?? value.doubleValue;
      return [
        key,
        value.stringValue ?? value.boolValue ?? (number === undefined ? '' : Number(number)),
      ];
    }),
  );
}
