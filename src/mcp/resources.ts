/** Resources: what tools tell about nodes, guests and tasks, each at an address of its own. */
import {
  type ListResourcesResult,
  ProtocolError,
  type ReadResourceResult,
  type Resource,
  ResourceNotFoundError,
  type ResourceTemplateType,
} from '@modelcontextprotocol/server';
import { GatewayError } from '../base/errors.ts';
import { clean } from '../base/text.ts';
import { type Choices, type GuestChoice, whatIsTold } from './choices.ts';
import type { Gate } from './gate.ts';
import { type Look, protocolError, type Reading, type Viewer } from './reading.ts';
import {
  addressOf,
  guestShape,
  isOffered,
  nodeShape,
  nodesShape,
  type Shape,
  shapeAt,
  shapes,
} from './shapes.ts';

export interface Resources {
  /** Guests come in pages, after the nodes; what cannot be asked for is left out. Throws ProtocolError. */
  list(cursor: string | undefined, look: Look): Promise<ListResourcesResult>;
  /** Throws ResourceNotFoundError, ProtocolError. */
  read(uri: string, look: Look): Promise<ReadResourceResult>;
}

const mimeType = 'application/json';
const pageSize = 100;

/** What the gate says where there is no such thing; the last of a task that Proxmox VE does not know. */
const absent: ReadonlySet<string> = new Set([
  ...['CONTAINER_NOT_FOUND', 'GUEST_NOT_FOUND', 'GUEST_NAME_UNKNOWN', 'INVALID_ARGUMENT', 'API_REFUSED'],
]);

export function createResources(input: { gate: Gate; reading: Reading; choices: Choices }): Resources {
  const { gate, reading, choices } = input;

  const nodeEntries = async (look: Look): Promise<ListResourcesResult> => {
    const names = isOffered(nodeShape, look.viewer) ? await choices.nodes(look) : [];
    const each = names.map((name) => entry(nodeShape, name, clean(name, 64), `Node ${clean(name, 64)}`));
    const all = isOffered(nodesShape, look.viewer) ? [entry(nodesShape, '', 'nodes', 'Nodes')] : [];
    return { resources: [...all, ...each] };
  };

  const guestEntries = async (after: number, look: Look): Promise<ListResourcesResult> => {
    const left = (await choices.guests(look)).filter(({ vmid }) => vmid > after);
    const page = left.slice(0, pageSize);
    const last = left.length > pageSize ? page.at(-1) : undefined;
    return {
      resources: page.map(guestEntry),
      ...(last !== undefined && { nextCursor: String(last.vmid) }),
    };
  };

  const toolFor = async ({ tool }: Shape, value: string, { signal }: Look): Promise<string> =>
    typeof tool === 'string'
      ? tool
      : tool[(await gate.kindOf(/^\d+$/.test(value) ? Number(value) : value, signal)) ?? 'container'];

  return {
    async list(cursor = '', look) {
      if (!/^\d{0,9}$/.test(cursor)) throw new ProtocolError(-32602, 'There is no such cursor');
      return await told(async () => {
        const parts = await whatIsTold([
          ...(cursor === '' && areOffered([nodesShape, nodeShape], look) ? [nodeEntries(look)] : []),
          ...(areOffered([guestShape], look) ? [guestEntries(Number(cursor), look)] : []),
        ]);
        const nextCursor = parts.find((part) => part.nextCursor !== undefined)?.nextCursor;
        return {
          resources: parts.flatMap(({ resources }) => resources),
          ...(nextCursor !== undefined && { nextCursor }),
        };
      });
    },
    async read(uri, look) {
      const found = shapeAt(uri);
      if (found === undefined || !isOffered(found.shape, look.viewer)) throw new ResourceNotFoundError(uri);
      const { shape, value } = found;
      const args = shape.argument === undefined ? {} : { [shape.argument]: value };
      return await told(async () => {
        const data = await reading(await toolFor(shape, value, look), args, look);
        return { contents: [{ uri, mimeType, text: JSON.stringify(data) }] };
      }, uri);
    },
  };
}

export function templatesFor(viewer: Viewer): ResourceTemplateType[] {
  return shapes
    .filter((shape) => shape.argument !== undefined && isOffered(shape, viewer))
    .map(({ name, title, description, address }) => ({
      ...{ uriTemplate: address, name, title, description, mimeType },
    }));
}

function areOffered(some: readonly Shape[], { viewer }: Look): boolean {
  return some.some((shape) => isOffered(shape, viewer));
}

/** `uri`: what is absent where the answer says that something is. */
async function told<T>(ask: () => Promise<T>, uri?: string): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    throw uri !== undefined && absent.has(error.code) ? new ResourceNotFoundError(uri) : protocolError(error);
  }
}

function guestEntry({ vmid, kind, name, node }: GuestChoice): Resource {
  const id = String(vmid);
  const where = node === '' ? '' : ` on ${clean(node, 64)}`;
  return entry(guestShape, id, clean(name, 100) || id, `${clean(name, 100)} (${kind} ${id}${where})`.trim());
}

function entry(shape: Shape, value: string, name: string, title: string): Resource {
  return { uri: addressOf(shape, value), name, title, description: shape.description, mimeType };
}
