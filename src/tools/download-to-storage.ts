/** Having Proxmox VE fetch files into its storages. */
import { z } from 'zod';
import { failure } from '../base/errors.ts';
import { sourceProblem } from '../policy/download-sources.ts';
import { defineTool } from './define.ts';
import { NodeName, StorageName } from './params.ts';
import {
  Checksum,
  checksumOf,
  DownloadContent,
  DownloadUrl,
  FileName,
  fileNameFor,
} from './storage-params.ts';
import { showTask, TaskResult, taskResult, taskWait, WaitSeconds } from './task-result.ts';

export const downloadTools = [
  defineTool({
    name: 'proxmox_download_to_storage',
    title: 'Download into a storage',
    about: 'Has a node download an ISO image, container template or disk image from a URL into a storage.',
    toolset: 'storage',
    effect: 'change',
    target: 'cluster',
    needs: 'api',
    openWorld: true,
    input: z.strictObject({
      storage: StorageName,
      node: NodeName.optional().meta({ description: 'Where each node has its own' }),
      url: DownloadUrl,
      content: DownloadContent,
      filename: FileName.optional(),
      checksum: Checksum.optional(),
      wait_seconds: WaitSeconds,
    }),
    output: TaskResult.extend({ volid: z.string() }),
    async run({ storage, node, content, filename, checksum, wait_seconds, ...given }, context) {
      const url = new URL(given.url);
      const reason = sourceProblem(url, context.limits.downloadSources);
      if (reason !== undefined) throw failure('PERMISSION_DENIED', { reason });
      const fileName = fileNameFor(content, url, filename);
      const { node: where, end } = await context.ops.storage.download(
        { storage, node, content, url: url.href, fileName, checksum: checksumOf(checksum) },
        taskWait(wait_seconds, context),
      );
      const volid = `${storage}:${content}/${fileName}`;
      const words = { done: `Downloaded ${volid}.`, begun: `Node ${where} is downloading ${volid}.` };
      return { ...taskResult(end, words), volid };
    },
    show: showTask,
  }),
];
