// A certificate authority for tests, made with the openssl command each time it is asked for.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Paths of PEM files, all signed by the authority in `ca`. */
export interface Certificates extends AsyncDisposable {
  readonly ca: string;
  /** For a server on 127.0.0.1, ::1 and localhost. */
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

/** Makes an authority, a server's and a client's certificate; disposing removes the files. */
export async function createCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-certificates-'));
  const path = (name: string): string => join(folder, name);
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-days', '2', '-subj', '/CN=Holdfast test authority'],
    ...['-keyout', path('ca.key'), '-out', path('ca.pem')],
  ]);
  const sign = async (name: string, usage: string): Promise<void> => {
    const extensions = path(`${name}.ext`);
    await writeFile(
      extensions,
      `subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost\nextendedKeyUsage=${usage}\n`,
    );
    await run('openssl', [
      ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-subj', `/CN=${name}`, '-keyout', path(`${name}.key`), '-out', path(`${name}.csr`)],
    ]);
    await run('openssl', [
      ...['x509', '-req', '-days', '2', '-CAcreateserial', '-in', path(`${name}.csr`)],
      ...['-CA', path('ca.pem'), '-CAkey', path('ca.key')],
      ...['-extfile', extensions, '-out', path(`${name}.pem`)],
    ]);
  };
  // etcd dials its own client port with the server's certificate, so that one serves both ways.
  await sign('server', 'serverAuth,clientAuth');
  await sign('client', 'clientAuth');
  return {
    ca: path('ca.pem'),
    serverCert: path('server.pem'),
    serverKey: path('server.key'),
    clientCert: path('client.pem'),
    clientKey: path('client.key'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
