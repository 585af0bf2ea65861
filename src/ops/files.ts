/** Moves files into containers and out of them, and, where that is allowed, on the host. */
import type { Executor } from '../exec/executor.ts';
import { createDownload, type Downloaded, type DownloadRequest } from './files/get.ts';
import { createScripts, type Place } from './files/place.ts';
import {
  createUpload,
  type Route,
  type TransferOptions,
  type Uploaded,
  type UploadRequest,
} from './files/put.ts';
import { createStaging } from './files/staging.ts';
import { createSweep } from './files/sweep.ts';
import type { TransferFolder } from './files/transfer-folder.ts';
import type { Unfinished } from './files/unfinished.ts';
import type { HostRoom } from './host-room.ts';

export interface Files {
  /**
   * Throws FILE_EXISTS, IS_DIRECTORY, NO_SPACE and the like; whatever it throws but TRANSFER_UNCERTAIN,
   * the destination is as it was.
   */
  upload(request: Omit<UploadRequest, 'route'>, options: TransferOptions): Promise<Uploaded>;
  /** What the sink was given counts only when it was ended. Throws FILE_NOT_FOUND, FILE_CHANGED, TOO_LARGE, … */
  download(request: Omit<DownloadRequest, 'route'>, options: TransferOptions): Promise<Downloaded>;
  /** Takes away what transfers of a process that is gone have left. Rejects where the host cannot be asked. */
  sweep(signal: AbortSignal): Promise<void>;
  /** The gateway's own folder. */
  readonly folder: TransferFolder;
}

export interface FilesOptions {
  /** By which way bytes go into a container and out of it; files of the host itself are always streamed. */
  readonly route: Route;
  /** A directory on the host for files that are on their way. */
  readonly stagingDirectory: string;
  readonly timeoutMs: number;
  readonly unfinished: Unfinished;
  readonly folder: TransferFolder;
}

/** Both directions, on one node. */
interface Transfers {
  readonly upload: ReturnType<typeof createUpload>;
  readonly download: ReturnType<typeof createDownload>;
}

export function createFiles(input: HostRoom & FilesOptions): Files {
  const {
    hosts,
    inventory,
    reach,
    route,
    stagingDirectory: directory,
    timeoutMs,
    unfinished,
    folder,
  } = input;
  const known = new WeakMap<Executor, Transfers>();

  const transfersOn = ({ node, executor }: { node: string | undefined; executor: Executor }): Transfers => {
    const before = known.get(executor);
    if (before !== undefined) return before;
    const scripts = createScripts({ executor, node, inventory, timeoutMs });
    const staging = createStaging({ executor, node, directory, timeoutMs, unfinished });
    const upload = createUpload({ scripts, staging, unfinished });
    const transfers = { upload, download: createDownload({ scripts, staging }) };
    known.set(executor, transfers);
    return transfers;
  };

  /** Where the file is, and with it the node. */
  const at = async <T>(
    place: Place,
    signal: AbortSignal,
    transfer: (transfers: Transfers) => Promise<T>,
  ): Promise<T> =>
    place.kind === 'host'
      ? await transfer(transfersOn({ node: undefined, executor: hosts.first }))
      : await reach(place.vmid, signal, (site) => transfer(transfersOn(site)));

  return {
    upload: (request, options) =>
      at(request.place, options.signal, ({ upload }) => upload({ ...request, route }, options)),
    download: (request, options) =>
      at(request.place, options.signal, ({ download }) => download({ ...request, route }, options)),
    sweep: createSweep({ hosts, inventory, directory, unfinished }),
    folder,
  };
}
