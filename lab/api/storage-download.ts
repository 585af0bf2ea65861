/** Endpoints that bring images and templates onto a storage; nothing is fetched, a file is taken to hold its URL. */
import { createHash } from 'node:crypto';
import { ApiError, badParameters } from './api-error.ts';
import { type Call, defineEndpoint, type Endpoint, type Parameter } from './endpoint.ts';
import { getStorage } from './storage.ts';
import { formatOf, readVolumeName } from './storage-names.ts';
import { fractionOf, type LabStorage } from './storage-volumes.ts';
import { storagesOf } from './storages.ts';
import type { TaskRun } from './tasks.ts';

const mebibyte = 1024 ** 2;
const url: Parameter = {
  ...{ type: 'string', pattern: /^https?:\/\/.*$/ },
  about: 'Where to fetch it, by HTTP or HTTPS.',
};
const verifyCertificates: Parameter = {
  ...{ type: 'boolean', optional: true, default: 1 },
  about: 'Whether the certificate of the server must be good.',
};

/** Names under .invalid lead nowhere (RFC 2606). */
function isReachable(address: string): boolean {
  return URL.canParse(address) && !new URL(address).hostname.endsWith('.invalid');
}

function sizeOf(address: string): number {
  return Math.floor((1 + fractionOf(address) * 800) * mebibyte);
}

function requireNetwork(call: Call): void {
  if (!call.may('/', ['Sys.Audit', 'Sys.Modify']))
    call.require(`/nodes/${call.node.name}`, ['Sys.AccessNetwork']);
}

interface Download {
  readonly address: string;
  readonly storage: LabStorage;
  readonly content: string;
  readonly filename: string;
  readonly checksum?: { readonly algorithm: string; readonly expected: string } | undefined;
}

function requireChecksum(task: TaskRun, { address, checksum }: Download): void {
  if (checksum === undefined) return;
  const { algorithm, expected } = checksum;
  const actual = createHash(algorithm).update(address).digest('hex');
  task.log(`calculating checksum...got '${actual}'`);
  if (actual !== expected.toLowerCase())
    throw new ApiError(500, `checksum mismatch: got '${actual}' != expect '${expected}'`);
}

/** Starts the task; its answer is a UPID. Throws ApiError where there can be no such file on the storage. */
function startDownload(call: Call, download: Download): string {
  const { cluster, node } = call;
  const { address, storage, content, filename } = download;
  const name = readVolumeName(storage, `${content}/${filename}`);
  if (name === undefined) throw badParameters({ filename: 'wrong file extension' });
  return call.start('download', filename, async (task) => {
    const storages = storagesOf(cluster);
    task.log(`downloading ${address} to ${name.path}`);
    if (storages.findVolume(storage, node.name, name.volid) !== undefined)
      throw new ApiError(500, `refusing to override existing file '${name.path}'`);
    await task.take();
    if (!isReachable(address))
      throw new ApiError(
        500,
        `download failed: unable to resolve host address '${new URL(address).hostname}'`,
      );
    requireChecksum(task, download);
    storages.put(storage, node.name, {
      ...{ volid: name.volid, content: name.content, format: name.format, sizeBytes: sizeOf(address) },
      ctimeS: Math.floor(Date.now() / 1000),
    });
    task.log(`download of '${address}' to '${name.path}' finished`);
  });
}

/** As the file is stored: what could leave its directory, or mean something to a shell, becomes an underscore. */
function storedName(filename: string): string {
  return (filename.split(/[/\\]/).at(-1) ?? '').replaceAll(/[^-a-zA-Z0-9_.]/g, '_');
}

function downloadUrl(call: Call): string {
  requireNetwork(call);
  const { values } = call;
  const storage = getStorage(call, values.text('storage'));
  const content = values.text('content');
  if (storage.path === undefined)
    throw new ApiError(500, `can't upload to storage type '${storage.type}', not a file based storage!`);
  if (!storage.content.some((kind) => kind === content))
    throw new ApiError(500, `storage '${storage.storage}' is not configured for content-type '${content}'`);
  const algorithm = values.find('checksum-algorithm');
  const expected = values.find('checksum');
  if ((algorithm === undefined) !== (expected === undefined)) {
    const [given, missing] =
      expected === undefined ? ['checksum-algorithm', 'checksum'] : ['checksum', 'checksum-algorithm'];
    throw badParameters({ [missing]: `missing property - '${given}' requires this property` });
  }
  const filename = storedName(values.text('filename'));
  if (formatOf(content, filename) === undefined) throw badParameters({ filename: 'wrong file extension' });
  return startDownload(call, {
    ...{ address: values.text('url'), storage, content, filename },
    checksum: algorithm === undefined || expected === undefined ? undefined : { algorithm, expected },
  });
}

function queryMetadata(call: Call) {
  requireNetwork(call);
  const address = call.values.text('url');
  if (!isReachable(address)) {
    const host = URL.canParse(address) ? new URL(address).host : address;
    throw new ApiError(
      500,
      `invalid server response: '500 Can't connect to ${host} (Name or service not known)'`,
    );
  }
  const filename = new URL(address).pathname.split('/').at(-1) ?? '';
  return { filename, mimetype: 'application/octet-stream', size: sizeOf(address) };
}

interface Appliance {
  readonly package: string;
  readonly version: string;
  readonly os: string;
  readonly section: string;
  readonly headline: string;
  readonly template: string;
}

const appliances: readonly Appliance[] = [
  {
    ...{ package: 'alpine-3.22-default', version: '20250617', os: 'alpine', section: 'system' },
    ...{ headline: 'Alpine 3.22', template: 'alpine-3.22-default_20250617_amd64.tar.xz' },
  },
  {
    ...{ package: 'debian-12-standard', version: '12.12-1', os: 'debian-12', section: 'system' },
    ...{ headline: 'Debian 12', template: 'debian-12-standard_12.12-1_amd64.tar.zst' },
  },
  {
    ...{ package: 'debian-13-standard', version: '13.1-2', os: 'debian-13', section: 'system' },
    ...{ headline: 'Debian 13', template: 'debian-13-standard_13.1-2_amd64.tar.zst' },
  },
  {
    ...{ package: 'ubuntu-24.04-standard', version: '24.04-2', os: 'ubuntu-24.04', section: 'system' },
    ...{ headline: 'Ubuntu 24.04', template: 'ubuntu-24.04-standard_24.04-2_amd64.tar.zst' },
  },
];

function addressOf({ template }: Appliance): string {
  return `http://templates.lab.test/images/system/${template}`;
}

function applianceEntry(appliance: Appliance) {
  return {
    ...{ ...appliance, type: 'lxc', architecture: 'amd64', source: 'lab', location: addressOf(appliance) },
    ...{
      description: `${appliance.headline} with the packages that everybody needs.`,
      maintainer: 'The lab',
    },
    ...{ infopage: 'https://lab.test/templates', sha512sum: sumOf(appliance) },
  };
}

function sumOf(appliance: Appliance): string {
  return createHash('sha512').update(addressOf(appliance)).digest('hex');
}

function downloadAppliance(call: Call): string {
  const { values } = call;
  const storage = getStorage(call, values.text('storage'));
  const template = values.text('template');
  const found = appliances.find((appliance) => appliance.template === template);
  if (found === undefined) throw badParameters({ template: `no such template` });
  if (!storage.content.includes('vztmpl'))
    throw new ApiError(500, `storage '${storage.storage}' does not support templates`);
  return startDownload(call, {
    ...{ address: addressOf(found), storage, content: 'vztmpl', filename: template },
    checksum: { algorithm: 'sha512', expected: sumOf(found) },
  });
}

export const storageDownloadEndpoints: readonly Endpoint[] = [
  defineEndpoint({
    ...{ method: 'POST', path: '/nodes/{node}/storage/{storage}/download-url', returns: 'string' },
    about: 'Fetches an image or a template from a URL onto the storage.',
    parameters: {
      ...{ url, 'verify-certificates': verifyCertificates },
      content: { type: 'string', enum: ['iso', 'vztmpl', 'import'], about: 'What kind of content it is.' },
      filename: { type: 'string', maxLength: 255, about: 'What to call the file.' },
      checksum: { type: 'string', optional: true, about: 'The checksum that the file must have.' },
      'checksum-algorithm': {
        ...{ type: 'string', optional: true, enum: ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512'] },
        about: 'How the checksum was made.',
      },
    },
    permission: { path: '/storage/{storage}', privileges: ['Datastore.AllocateTemplate'] },
    run: downloadUrl,
  }),
  defineEndpoint({
    ...{ method: 'GET', path: '/nodes/{node}/query-url-metadata', returns: 'object', permission: 'all' },
    about: 'Asks a server for name, size and type of the file at a URL.',
    parameters: { url, 'verify-certificates': verifyCertificates },
    run: queryMetadata,
  }),
  defineEndpoint({
    ...{ method: 'GET', path: '/nodes/{node}/aplinfo', returns: 'array', permission: 'all' },
    about: 'Lists the container templates that can be fetched.',
    run: () => appliances.map(applianceEntry),
  }),
  defineEndpoint({
    ...{ method: 'POST', path: '/nodes/{node}/aplinfo', returns: 'string' },
    about: 'Fetches a container template onto a storage.',
    parameters: {
      storage: { type: 'string', format: 'pve-storage-id', about: 'Where it goes.' },
      template: { type: 'string', maxLength: 255, about: 'Which of those that can be fetched.' },
    },
    permission: { path: '/storage/{storage}', privileges: ['Datastore.AllocateTemplate'] },
    run: downloadAppliance,
  }),
];
