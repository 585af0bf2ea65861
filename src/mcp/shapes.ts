/** The shapes that resources have: their addresses, and the tools that read them. */
import { Vmid } from '../tools/params.ts';
import type { Viewer } from './reading.ts';

export interface Shape {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** With one place for a value, or none. */
  readonly address: string;
  /** The tool that reads it; of a guest, one for each kind. */
  readonly tool: string | Readonly<Record<'container' | 'vm', string>>;
  /** What the value in the address is. */
  readonly argument: 'node' | 'vmid' | 'upid' | undefined;
}

export const nodesShape: Shape = {
  name: 'nodes',
  title: 'Nodes',
  description: 'The nodes of the cluster and their load.',
  address: 'proxmox://nodes',
  tool: 'proxmox_list_nodes',
  argument: undefined,
};

export const nodeShape: Shape = {
  name: 'node',
  title: 'Node',
  description: 'State and load of one node.',
  address: 'proxmox://nodes/{node}',
  tool: 'proxmox_node_status',
  argument: 'node',
};

export const guestShape: Shape = {
  name: 'guest',
  title: 'Guest',
  description: 'State of one container or virtual machine, by id or name.',
  address: 'proxmox://guests/{vmid}',
  tool: { container: 'proxmox_container_status', vm: 'proxmox_vm_status' },
  argument: 'vmid',
};

export const shapes: readonly Shape[] = [
  nodesShape,
  nodeShape,
  guestShape,
  {
    name: 'guest-config',
    title: 'Configuration of a guest',
    description: 'Configuration of one container or virtual machine.',
    address: 'proxmox://guests/{vmid}/config',
    tool: { container: 'proxmox_container_config', vm: 'proxmox_vm_config' },
    argument: 'vmid',
  },
  {
    name: 'task',
    title: 'Task',
    description: 'State of one task and the end of its log.',
    address: 'proxmox://tasks/{upid}',
    tool: 'proxmox_task_status',
    argument: 'upid',
  },
];

const place = /\{\w+\}/;
const maxUriChars = 1_000;

export function isOffered({ tool }: Shape, { tools }: Viewer): boolean {
  return (typeof tool === 'string' ? [tool] : Object.values(tool)).some((name) => tools.has(name));
}

export function addressOf({ address }: Shape, value: string): string {
  return address.replace(place, () => encodeURIComponent(value));
}

/** What is at an address, and the value in it, which is empty where there is no place for one. */
export function shapeAt(uri: string): { readonly shape: Shape; readonly value: string } | undefined {
  if (uri.length > maxUriChars) return undefined;
  for (const shape of shapes) {
    const [before = '', after] = shape.address.split(place);
    if (after === undefined && uri === before) return { shape, value: '' };
    if (after === undefined || !uri.startsWith(before) || !uri.endsWith(after)) continue;
    const value = decoded(uri.slice(before.length, uri.length - after.length));
    if (value !== undefined && isValue(shape, value)) return { shape, value };
  }
  return undefined;
}

function decoded(segment: string): string | undefined {
  if (!/^[^/?#]+$/.test(segment)) return undefined;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

/** A guest is listed by its id, for a name can change; where it is that of one guest, it leads there, too. */
function isValue({ argument }: Shape, value: string): boolean {
  return argument !== 'vmid' || Vmid.safeParse(value).success;
}
