// gRPC by hand over node:http2, as a client of another make would speak it: what a test learns
// here, the libraries of server and client have not agreed on between themselves.
import { type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';

/** What came back. */
export interface RawAnswer {
  readonly messages: readonly Buffer[];
  /** Number of the gRPC status. */
  readonly status: number;
  readonly message: string;
  readonly trailers: IncomingHttpHeaders;
}

export interface RawCall {
  readonly address: string;
  /** Such as `/holdfast.v1.JobService/GetJob`. */
  readonly path: string;
  /** Protobuf messages; each is sent in a frame of its own. */
  readonly requests: readonly Uint8Array[];
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Told every message as it comes. */
  readonly onMessage?: ((message: Buffer) => void) | undefined;
}

/** Makes one call and resolves when the server has ended it. */
export async function callRaw(call: RawCall): Promise<RawAnswer> {
  const session = connect(`http://${call.address}`);
  try {
    return await new Promise<RawAnswer>((resolve, reject) => {
      session.once('error', reject);
      const stream = session.request({
        ':method': 'POST',
        ':path': call.path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...call.headers,
      });
      stream.once('error', reject);
      for (const request of call.requests) stream.write(frame(request));
      stream.end();
      collect(stream, call.onMessage, resolve);
    });
  } finally {
    session.close();
  }
}

/** A length-prefixed message, not compressed. */
export function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function collect(
  stream: ClientHttp2Stream,
  onMessage: ((message: Buffer) => void) | undefined,
  resolve: (answer: RawAnswer) => void,
): void {
  const messages: Buffer[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let trailers: IncomingHttpHeaders = {};
  // A call that is refused at once has its status in the headers.
  stream.on('response', (headers) => {
    trailers = headers;
  });
  stream.on('trailers', (found) => {
    trailers = found;
  });
  stream.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const message = rest.subarray(5, 5 + rest.readUInt32BE(1));
      rest = rest.subarray(5 + message.length);
      messages.push(message);
      onMessage?.(message);
    }
  });
  stream.on('close', () => {
    const status = Number(trailers['grpc-status'] ?? -1);
    const message = decodeURIComponent(String(trailers['grpc-message'] ?? ''));
    resolve({ messages, status, message, trailers });
  });
}

/** A protobuf field with a length: text, bytes or a message. */
export function field(number: number, value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : Buffer.from(value);
  if (bytes.length > 127) throw new Error('only lengths of one byte are written here');
  return Buffer.concat([Buffer.of((number << 3) | 2, bytes.length), bytes]);
}

/** The fields with a length that a message has, by number; others are passed over. */
export function readFields(message: Uint8Array): ReadonlyMap<number, readonly Buffer[]> {
  const fields = new Map<number, Buffer[]>();
  let offset = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[offset] ?? 0;
      offset += 1;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  while (offset < message.length) {
    const tag = varint();
    const [number, wireType] = [Math.floor(tag / 8), tag % 8];
    if (wireType === 0) {
      varint();
      continue;
    }
    if (wireType !== 2) throw new Error(`wire type ${wireType} is not read here`);
    const length = varint();
    const value = Buffer.from(message.subarray(offset, offset + length));
    offset += length;
    fields.set(number, [...(fields.get(number) ?? []), value]);
  }
  return fields;
}
