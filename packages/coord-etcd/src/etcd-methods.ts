// The methods of etcd's API that Holdfast calls, as grpc-js wants them. Names, paths and the generic
// encoders come from the definitions that the etcd3 package loads; transactions, ranges and watch
// answers stay bytes here, because kv-codec.ts reads and writes those itself.
import type { Client, ServiceClientConstructor, ServiceDefinition } from '@grpc/grpc-js';
import { assert } from '@holdfast/core';
import type {
  IAuthenticateRequest,
  IAuthenticateResponse,
  ICompactionRequest,
  ICompactionResponse,
  ILeaseGrantRequest,
  ILeaseGrantResponse,
  ILeaseKeepAliveRequest,
  ILeaseKeepAliveResponse,
  ILeaseRevokeRequest,
  ILeaseRevokeResponse,
  IWatchRequest,
} from 'etcd3';

/** One method: where it is and how its messages become bytes and back. */
export interface EtcdMethod<Request, Response> {
  readonly path: string;
  readonly serialize: (request: Request) => Buffer;
  readonly deserialize: (bytes: Buffer) => Response;
}

export interface EtcdMethods {
  readonly range: EtcdMethod<Buffer, Buffer>;
  readonly txn: EtcdMethod<Buffer, Buffer>;
  readonly compact: EtcdMethod<ICompactionRequest, ICompactionResponse>;
  readonly leaseGrant: EtcdMethod<ILeaseGrantRequest, ILeaseGrantResponse>;
  readonly leaseRevoke: EtcdMethod<ILeaseRevokeRequest, ILeaseRevokeResponse>;
  readonly authenticate: EtcdMethod<IAuthenticateRequest, IAuthenticateResponse>;
  /** Two-way streams. */
  readonly leaseKeepAlive: EtcdMethod<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;
  readonly watch: EtcdMethod<IWatchRequest, Buffer>;
}

/** The request that a method takes, and what it answers. */
export type RequestOf<Name extends keyof EtcdMethods> = Parameters<
  EtcdMethods[Name]['serialize']
>[0];
export type ResponseOf<Name extends keyof EtcdMethods> = ReturnType<
  EtcdMethods[Name]['deserialize']
>;

/** The clients of the services, as etcd3 makes them. */
export interface ServiceClients {
  readonly kv: Client;
  readonly lease: Client;
  readonly watch: Client;
  readonly auth: Client;
}

/** Takes the methods from the definitions that each client's class carries. */
export function methodsOf(clients: ServiceClients): EtcdMethods {
  const kv = definitionsOf(clients.kv);
  const lease = definitionsOf(clients.lease);
  const watch = method<IWatchRequest, unknown>(definitionsOf(clients.watch), 'Watch');
  return {
    range: { path: pathOf(kv, 'Range'), serialize: asIs, deserialize: asIs },
    txn: { path: pathOf(kv, 'Txn'), serialize: asIs, deserialize: asIs },
    compact: method(kv, 'Compact'),
    leaseGrant: method(lease, 'LeaseGrant'),
    leaseRevoke: method(lease, 'LeaseRevoke'),
    leaseKeepAlive: method(lease, 'LeaseKeepAlive'),
    watch: { path: watch.path, serialize: watch.serialize, deserialize: asIs },
    authenticate: method(definitionsOf(clients.auth), 'Authenticate'),
  };
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

function definitionsOf(client: Client): ServiceDefinition {
  // grpc-js keeps a service's definitions as a static member of the client class it makes for it;
  // a client's type does not tell that class.
  return (client.constructor as ServiceClientConstructor).service;
}

function pathOf(definitions: ServiceDefinition, name: string): string {
  const definition = definitions[name];
  assert(definition, `etcd3 carries no definition of ${name}`);
  return definition.path;
}

function method<Request, Response>(
  definitions: ServiceDefinition,
  name: string,
): EtcdMethod<Request, Response> {
  const definition = definitions[name];
  assert(definition, `etcd3 carries no definition of ${name}`);
  // grpc-js types every loaded method as taking and giving anything; etcd3's own types, generated
  // from the same proto file, say what.
  return {
    path: definition.path,
    serialize: definition.requestSerialize as (request: Request) => Buffer,
    deserialize: definition.responseDeserialize as (bytes: Buffer) => Response,
  };
}
