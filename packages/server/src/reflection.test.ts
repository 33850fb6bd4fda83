import { EventEmitter } from 'node:events';
import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { Server, UntypedServiceImplementation } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { addReflection } from './reflection.ts';

interface ReflectionAnswer {
  readonly fileDescriptorResponse: { readonly fileDescriptorProto: readonly Uint8Array[] };
}

/** Asks the reflection service, as grpc-js would hand it the request of a client. */
function describeSymbol(symbol: string): readonly Uint8Array[] {
  const implementations: UntypedServiceImplementation[] = [];
  const addService: Server['addService'] = (_service, implementation) =>
    void implementations.push(implementation);
  addReflection({ addService } as Server); // Reflection only adds services.
  const answers: ReflectionAnswer[] = [];
  const stream = Object.assign(new EventEmitter(), {
    write: (answer: ReflectionAnswer) => answers.push(answer),
  });
  const handler = implementations[0]?.['ServerReflectionInfo'] as unknown as
    | ((call: EventEmitter) => void)
    | undefined; // grpc-js types the handlers of a loaded package loosely.
  handler?.(stream);
  stream.emit('data', { messageRequest: 'fileContainingSymbol', fileContainingSymbol: symbol });
  return answers[0]?.fileDescriptorResponse.fileDescriptorProto ?? [];
}

test('the files that reflection gives are the services as they were written', () => {
  const files = describeSymbol('holdfast.v1.JobService').map((bytes) =>
    fromBinary(FileDescriptorProtoSchema, bytes),
  );
  // Each file comes after those that it imports, as a set of files has to be.
  const set = create(FileDescriptorSetSchema, { file: files.toReversed() });
  const registry = createFileRegistry(set);
  const service = registry.getService('holdfast.v1.JobService');
  expect(service?.methods.map(({ name, methodKind }) => `${name} ${methodKind}`)).toEqual([
    'PostJob unary',
    'PostJobs unary',
    'GetJob unary',
    'ListJobs unary',
    'WatchJob server_streaming',
    'CancelJob unary',
    'ReviveJob unary',
    'SignalJob unary',
    'SuspendJob unary',
    'ResumeJob unary',
    'ChangeJob unary',
    'ForkJob unary',
  ]);
  const newJob = registry.getMessage('holdfast.v1.NewJob');
  expect(newJob?.field['priority']).toMatchObject({ number: 4, oneof: undefined });
  expect(newJob?.field['labels']).toMatchObject({ fieldKind: 'map' });
});
