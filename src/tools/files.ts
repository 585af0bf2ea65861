/** Moving files into containers and out of them and, where that is switched on, on the host. */
import { z } from 'zod';
import { fence } from '../base/text.ts';
import type { Place } from '../ops/files/place.ts';
import { type Attachment, defineTool, type Transferred } from './define.ts';
import { downloadWith } from './download.ts';
import {
  DownloadFields,
  DownloadResult,
  FilePathText,
  filePath,
  UploadFields,
  UploadResult,
} from './file-params.ts';
import { Vmid } from './params.ts';
import { uploadWith } from './upload.ts';

type Uploaded = z.output<typeof UploadResult>;
type Downloaded = z.output<typeof DownloadResult>;

function inContainer(vmid: number, path: string) {
  const place: Place = { kind: 'container', vmid };
  return { place, file: filePath(path), target: `${path} in container ${vmid}` };
}

function onHost(path: string) {
  const place: Place = { kind: 'host' };
  return { place, file: filePath(path), target: `${path} on the host` };
}

function transferred(
  direction: 'up' | 'down',
  { bytes_transferred, route }: Uploaded | Downloaded,
): Transferred | undefined {
  if (bytes_transferred === undefined || route === undefined) return undefined;
  return { direction, route, bytes: bytes_transferred };
}

const transfers = ({ transfer }: { transfer?: 'url' | undefined }) => transfer === undefined;

const upload = {
  output: UploadResult,
  transfers,
  transferred: (data: Uploaded) => transferred('up', data),
  show: ({ message, sha256 }: Uploaded) =>
    sha256 === undefined ? message : `${message}\nSHA-256: ${sha256}`,
};

const download = {
  output: DownloadResult,
  effect: 'read',
  transfers,
  transferred: (data: Downloaded) => transferred('down', data),
  show({ message, sha256, content, encoding }: Downloaded): string {
    const sum = sha256 === undefined ? message : `${message}\nSHA-256: ${sha256}`;
    if (content === undefined) return sum;
    return encoding === 'utf-8'
      ? `${sum}\n\n${fence('content', content)}`
      : `${sum}\nIt is no text: see the resource.`;
  },
} as const;

/** Binary content, and what can be fetched from a URL, as clients know to handle them. */
function attachments(
  uri: string,
  name: string,
  { content, encoding, url }: Downloaded,
): readonly Attachment[] {
  if (url !== undefined) return [{ kind: 'link', uri: url, name }];
  return content !== undefined && encoding === 'base64' ? [{ kind: 'blob', uri, base64: content }] : [];
}

/** As a path in a URI: bytes that it cannot hold are written with %. */
function uriOf(authority: string, path: string): string {
  return `proxmox://${authority}${filePath(path).path.split('/').map(encodeURIComponent).join('/')}`;
}

const sending =
  'From content, from local_path in the gateway\'s transfer folder, or by a one-time URL (transfer: "url") to PUT to. An old file is replaced in one step, once all has arrived.';
const fetching =
  'Gives the content (in parts with offset and length), writes local_path in the gateway\'s transfer folder, or gives a one-time URL (transfer: "url"). Regular files only.';

export const fileTools = [
  defineTool({
    ...download,
    name: 'proxmox_download_file_from_container',
    title: 'Download a file from a container',
    about: `Reads one file of a running container. ${fetching}`,
    toolset: 'files',
    target: 'container',
    needs: 'ssh',
    everyday: true,
    input: z.strictObject({ vmid: Vmid, container_path: FilePathText, ...DownloadFields }),
    touches: ({ container_path }) => ({
      touches: { place: 'container', path: filePath(container_path).path },
    }),
    async run({ vmid, container_path, ...args }, context) {
      const data = await downloadWith(args, inContainer(vmid, container_path), context);
      return { success: true as const, vmid, container_path, ...data };
    },
    attach: (data, { vmid, container_path }) =>
      attachments(uriOf(`containers/${vmid}`, container_path), filePath(container_path).name, data),
  }),
  defineTool({
    ...upload,
    name: 'proxmox_upload_file_to_container',
    title: 'Upload a file to a container',
    about: `Writes one file into a running container. ${sending}`,
    toolset: 'files',
    effect: 'disrupt',
    target: 'container',
    needs: 'ssh',
    everyday: true,
    input: z.strictObject({ vmid: Vmid, container_path: FilePathText, ...UploadFields }),
    touches: ({ container_path, permissions }) => ({
      touches: { place: 'container', path: filePath(container_path).path },
      mode: Number.parseInt(permissions, 8),
    }),
    async run({ vmid, container_path, ...args }, context) {
      const data = await uploadWith(args, inContainer(vmid, container_path), context);
      return { success: true as const, vmid, container_path, ...data };
    },
  }),
  defineTool({
    ...download,
    name: 'proxmox_download_file_from_host',
    title: 'Download a file from the host',
    about: `Reads one file of the Proxmox VE host itself. ${fetching}`,
    toolset: 'host',
    target: 'host',
    needs: 'ssh',
    everyday: true,
    input: z.strictObject({ host_path: FilePathText, ...DownloadFields }),
    touches: ({ host_path }) => ({ touches: { place: 'host', path: filePath(host_path).path } }),
    async run({ host_path, ...args }, context) {
      const data = await downloadWith(args, onHost(host_path), context);
      return { success: true as const, host_path, ...data };
    },
    attach: (data, { host_path }) => attachments(uriOf('host', host_path), filePath(host_path).name, data),
  }),
  defineTool({
    ...upload,
    name: 'proxmox_upload_file_to_host',
    title: 'Upload a file to the host',
    about: `Writes one file on the Proxmox VE host itself. ${sending}`,
    toolset: 'host',
    effect: 'destroy',
    target: 'host',
    needs: 'ssh',
    everyday: true,
    input: z.strictObject({ host_path: FilePathText, ...UploadFields }),
    touches: ({ host_path, permissions }) => ({
      touches: { place: 'host', path: filePath(host_path).path },
      mode: Number.parseInt(permissions, 8),
    }),
    async run({ host_path, ...args }, context) {
      const data = await uploadWith(args, onHost(host_path), context);
      return { success: true as const, host_path, ...data };
    },
  }),
];
