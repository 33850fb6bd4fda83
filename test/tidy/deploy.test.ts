// deploy/ can't be started here, but its files can be read: they parse, and what they name is there.
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { FILES, ROOT_MANIFEST, read } from './repository.ts';

interface Service {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly restart?: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly networks?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, unknown>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

interface Collector {
  readonly receivers: Readonly<Record<string, unknown>>;
  readonly processors: Readonly<Record<string, unknown>>;
  readonly exporters: Readonly<Record<string, { readonly endpoint?: string }>>;
  readonly service: {
    readonly pipelines: Readonly<
      Record<string, Readonly<Record<'receivers' | 'processors' | 'exporters', readonly string[]>>>
    >;
  };
}

interface Prometheus {
  readonly scrape_configs: readonly {
    readonly static_configs: readonly { readonly targets: readonly string[] }[];
  }[];
}

// Our own files; what doesn't have these shapes makes the tests fail.
const compose = parse(read('deploy/compose.yaml'), { merge: true }) as Compose;
const collector = parse(read('deploy/otel-collector.yaml')) as Collector;
const prometheus = parse(read('deploy/prometheus.yaml')) as Prometheus;
const dockerfile = read('deploy/Dockerfile');

const SERVICES = Object.entries(compose.services);
const SERVICE_NAMES = Object.keys(compose.services);

describe('compose.yaml', () => {
  it('pins every image to a version', () => {
    const images = SERVICES.map(([, service]) => service.image ?? '');
    expect(images.filter((image) => !/:v?\d+\.\d+\.\d+$/.test(image))).toEqual([]);
    const own = images.filter((image) => image.startsWith('holdfast:'));
    expect(new Set(own)).toEqual(new Set([`holdfast:${ROOT_MANIFEST.version}`]));
  });

  it('waits only for services that exist, and for the health only of those that tell theirs', () => {
    const waits = SERVICES.flatMap(([, service]) => Object.entries(service.depends_on ?? {}));
    expect(waits.filter(([other]) => !SERVICE_NAMES.includes(other))).toEqual([]);
    const forHealth = waits.filter(([, { condition }]) => condition === 'service_healthy');
    expect(forHealth.length).toBeGreaterThan(0);
    expect(forHealth.filter(([other]) => !compose.services[other]?.healthcheck?.test)).toEqual([]);
  });

  it('restarts every service and says how its health is known', () => {
    const restarts = SERVICES.filter(([, service]) => service.restart === 'unless-stopped');
    expect(restarts.map(([name]) => name)).toEqual(SERVICE_NAMES);
    const silent = SERVICES.filter(([, service]) => service.healthcheck === undefined);
    // The server has the health check of its image.
    expect(silent.map(([name]) => name)).toEqual(['server']);
  });

  it('publishes different ports, on the loopback interface only', () => {
    const ports = SERVICES.flatMap(([, service]) => service.ports ?? []);
    expect(ports.filter((port) => !/^127\.0\.0\.1:\d+:\d+$/.test(port))).toEqual([]);
    const published = ports.map((port) => port.split(':')[1]);
    expect(new Set(published).size).toBe(published.length);
  });

  it('uses networks, volumes and files that exist', () => {
    const networks = SERVICES.flatMap(([, service]) => service.networks ?? []);
    expect(new Set(networks)).toEqual(new Set(Object.keys(compose.networks)));
    const sources = SERVICES.flatMap(([, service]) => service.volumes ?? []).map(
      (volume) => volume.split(':')[0] ?? '',
    );
    const named = sources.filter((source) => !source.startsWith('.'));
    expect(new Set(named)).toEqual(new Set(Object.keys(compose.volumes)));
    const files = sources.filter((source) => source.startsWith('.'));
    expect(files.filter((file) => !isInDeploy(file))).toEqual([]);
  });

  it('builds the image from a file that exists', () => {
    const built = SERVICES.flatMap(([, service]) => (service.build ? [service.build] : []));
    expect(built).toEqual([{ context: '..', dockerfile: 'deploy/Dockerfile' }]);
    expect(FILES).toContain('deploy/Dockerfile');
  });

  it('reaches other services by their names', () => {
    const values = SERVICES.flatMap(([, service]) => Object.values(service.environment ?? {}));
    const hosts = values.flatMap((value) =>
      [...String(value).matchAll(/(?:\/\/|,|=http:\/\/)(?<host>[a-z][\w-]*):\d+/g)].map(
        (match) => match.groups?.['host'],
      ),
    );
    expect(hosts.length).toBeGreaterThan(5);
    expect(hosts.filter((host) => !SERVICE_NAMES.includes(host ?? ''))).toEqual([]);
  });

  it('starts no server without a token, and gives the token to nothing else', () => {
    const holders = SERVICES.filter(([, service]) => service.environment?.['HOLDFAST_TOKEN']);
    expect(holders.map(([name]) => name)).toEqual(['server']);
    expect(holders[0]?.[1].environment?.['HOLDFAST_TOKEN']).toMatch(/^\$\{HOLDFAST_TOKEN:\?/);
  });
});

/** True for a file, or for a folder that holds one. */
function isInDeploy(path: string): boolean {
  return FILES.some((file) => file.startsWith(join('deploy', path)));
}

describe('otel-collector.yaml', () => {
  it('defines what its pipelines use, and uses what it defines', () => {
    const pipelines = Object.values(collector.service.pipelines);
    for (const kind of ['receivers', 'processors', 'exporters'] as const) {
      const used = new Set(pipelines.flatMap((pipeline) => pipeline[kind]));
      expect(used, kind).toEqual(new Set(Object.keys(collector[kind])));
    }
  });

  it('sends to services that exist', () => {
    const hosts = Object.values(collector.exporters).map(({ endpoint }) => endpoint?.split(':')[0]);
    expect(hosts.filter((h) => h !== '0.0.0.0' && !SERVICE_NAMES.includes(h ?? ''))).toEqual([]);
  });
});

describe('prometheus.yaml', () => {
  it('reads from services that exist, from the collector at the ports that it opens', () => {
    const targets = prometheus.scrape_configs.flatMap((job) =>
      job.static_configs.flatMap(({ targets: named }) => named),
    );
    expect(targets.filter((t) => !SERVICE_NAMES.includes(t.split(':')[0] ?? ''))).toEqual([]);
    const port = collector.exporters['prometheus']?.endpoint?.split(':')[1];
    expect(targets).toContain(`otel-collector:${port}`);
  });
});

describe('Dockerfile', () => {
  it('starts from the Node that package.json pins', () => {
    const bases = [...dockerfile.matchAll(/^FROM (?<image>\S+)/gm)].map((m) => m.groups?.['image']);
    expect(bases[0]).toBe(`node:${ROOT_MANIFEST.devDependencies?.['node']}-bookworm-slim`);
    expect(bases.slice(1).every((image) => image === 'base')).toBe(true);
  });

  it('does not run as root, and tells its health', () => {
    const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
    expect(last).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
    expect(last).toMatch(/^HEALTHCHECK /m);
    expect(last).toMatch(/^ENTRYPOINT \["holdfast"\]$/m);
  });
});
