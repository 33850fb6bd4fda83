import { toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { Server } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import {
  file_holdfast_v1_flow_service,
  file_holdfast_v1_job_service,
  file_holdfast_v1_worker_service,
} from '@holdfast/wire';
import { service as healthService } from 'grpc-health-check';

type ReflectedPackage = ConstructorParameters<typeof ReflectionService>[0];
type DescFile = typeof file_holdfast_v1_job_service;

/** Serves the descriptors of Holdfast's services and of health, so that grpcurl and its like work. */
export function addReflection(server: Server): void {
  const files = new Map<string, Buffer>();
  for (const file of [
    file_holdfast_v1_job_service,
    file_holdfast_v1_flow_service,
    file_holdfast_v1_worker_service,
  ]) {
    collectFiles(file, files);
  }
  const reflected: ReflectedPackage = {
    holdfast: {
      format: 'Protocol Buffer 3 DescriptorProto',
      type: {},
      fileDescriptorProtos: [...files.values()],
    },
    ...healthDescriptors(),
  };
  new ReflectionService(reflected).addToServer(server);
}

/** A file and all that it imports, by name. */
function collectFiles(file: DescFile, files: Map<string, Buffer>): void {
  const { name } = file.proto;
  if (files.has(name)) return;
  files.set(name, Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
  for (const dependency of file.dependencies) collectFiles(dependency, files);
}

function healthDescriptors(): ReflectedPackage {
  const check = healthService['Check'];
  return check ? { health: check.requestType } : {};
}
