/**
 * What gRPC needs to know of a service, derived from its generated descriptor: the path of each
 * method, and how requests and responses become bytes. Plain objects, in the form that grpc-js
 * takes on both sides, so that this package doesn't depend on it.
 */
import {
  type DescMessage,
  type DescService,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';

/** One method as grpc-js wants it. */
export interface GrpcMethodDefinition<Request, Response> {
  /** Such as `/holdfast.v1.JobService/PostJob`. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (request: Request) => Buffer;
  /** Throws for bytes that aren't such a request; grpc-js answers INTERNAL. */
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly responseSerialize: (response: Response) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
  readonly originalName: string;
}

/** All methods of a service by their local names, such as `postJob`. */
export type GrpcServiceDefinition<Service extends DescService> = {
  readonly [Name in keyof Service['method']]: GrpcMethodDefinition<
    MessageShape<Service['method'][Name]['input']>,
    MessageShape<Service['method'][Name]['output']>
  >;
};

/** Builds the definition of a service from its generated descriptor. */
export function grpcServiceDefinition<Service extends DescService>(
  service: Service,
): GrpcServiceDefinition<Service> {
  const entries = service.methods.map((method) => {
    const definition: GrpcMethodDefinition<unknown, unknown> = {
      path: `/${service.typeName}/${method.name}`,
      requestStream:
        method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
      responseStream:
        method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
      ...namedCodec('request', method.input),
      ...namedCodec('response', method.output),
      originalName: method.localName,
    };
    return [method.localName, definition];
  });
  // The descriptor's list of methods and its type are generated from the same file.
  return Object.fromEntries(entries) as GrpcServiceDefinition<Service>;
}

type MessageCodec<Side extends 'request' | 'response'> = {
  readonly [Verb in `${Side}Serialize`]: (message: unknown) => Buffer;
} & { readonly [Verb in `${Side}Deserialize`]: (bytes: Buffer) => unknown };

function namedCodec<Side extends 'request' | 'response'>(
  side: Side,
  schema: DescMessage,
): MessageCodec<Side> {
  // The keys are computed, which is more than the checker follows.
  return {
    [`${side}Serialize`]: (message: MessageShape<DescMessage>) => {
      const bytes = toBinary(schema, message);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    [`${side}Deserialize`]: (bytes: Buffer) => fromBinary(schema, bytes),
  } as unknown as MessageCodec<Side>;
}
