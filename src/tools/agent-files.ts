/** Files of virtual machines, read and written through the guest agent. */
import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { failure } from '../base/errors.ts';
import { fence } from '../base/text.ts';
import { maxReadBytes, maxWriteBytes } from '../ops/agent/files.ts';
import { defineTool } from './define.ts';
import { decodeContent, FilePathText, filePath } from './file-params.ts';
import { Vmid } from './params.ts';

/** The agent's protocol breaks on anything else. */
const GuestPath = FilePathText.refine(
  (path) => /^\p{ASCII}*$/u.test(path),
  'must be ASCII for the guest agent',
);

const family = { toolset: 'vms', target: 'vm', needs: 'api' } as const;

/** SECURITY: where links in the guest lead is not known; the path is judged as it is written. */
const touches = ({ path }: { path: string }) => ({
  touches: { place: 'container' as const, path: filePath(path).path },
});

export const agentFileTools = [
  defineTool({
    ...family,
    name: 'proxmox_vm_read_file',
    title: 'Read a file of a VM',
    about: 'Reads a file of a running VM through its guest agent, at most 1 MiB a call.',
    effect: 'read',
    input: z.strictObject({
      vmid: Vmid,
      path: GuestPath,
      offset: z.int().min(0).default(0).meta({ description: 'First byte to return' }),
      length: z.int().min(1).optional().meta({ description: 'Most bytes to return' }),
    }),
    output: z.object({
      path: z.string(),
      content: z.string(),
      encoding: z.enum(['utf-8', 'base64']),
      offset: z.number(),
      bytes: z.number(),
      more: z.boolean().meta({ description: 'Whether the file goes on behind them' }),
    }),
    touches,
    async run({ vmid, path, offset, length = maxReadBytes }, { ops, limits, signal }) {
      const maxBytes = Math.min(length, limits.maxInlineBytes, maxReadBytes);
      const file = filePath(path).path;
      const { bytes, more } = await ops.agent.files.read({ vmid, path: file, offset, maxBytes }, signal);
      const text = isUtf8(bytes) && !bytes.includes(0);
      const content = bytes.toString(text ? 'utf8' : 'base64');
      const encoding = text ? ('utf-8' as const) : ('base64' as const);
      return { path: file, content, encoding, offset, bytes: bytes.length, more };
    },
    show({ path, content, encoding, offset, bytes, more }, { vmid }) {
      const rest = more ? `; offset ${offset + bytes} reads on` : '';
      const head = `${bytes} bytes of ${path} in VM ${vmid}, from byte ${offset} on${rest}.`;
      return `${head}\n${fence(encoding === 'utf-8' ? 'content' : 'content in base64', content)}`;
    },
  }),
  defineTool({
    ...family,
    name: 'proxmox_vm_write_file',
    title: 'Write a file in a VM',
    about: 'Writes a file of at most 45 KiB in a running VM through its guest agent, as a whole.',
    effect: 'disrupt',
    input: z.strictObject({
      vmid: Vmid,
      path: GuestPath,
      content: z.string().max(maxWriteBytes * 2),
      encoding: z.enum(['utf-8', 'base64']).default('utf-8'),
      overwrite: z.boolean().default(false).meta({ description: 'Replace what is there' }),
    }),
    output: z.object({ success: z.literal(true), message: z.string(), path: z.string(), bytes: z.number() }),
    touches,
    async run({ vmid, path, content, encoding, overwrite }, { ops, signal }) {
      const bytes = decodeContent(content, encoding);
      if (bytes.length > maxWriteBytes)
        throw failure('INVALID_ARGUMENT', {
          problem: `content: ${bytes.length} bytes are more than the ${maxWriteBytes} that the guest agent takes`,
        });
      const file = filePath(path).path;
      await ops.agent.files.write({ vmid, path: file, bytes, overwrite }, signal);
      const message = `${bytes.length} bytes were written to ${file} in VM ${vmid}.`;
      return { success: true as const, message, path: file, bytes: bytes.length };
    },
    show: ({ message }) => message,
  }),
];
