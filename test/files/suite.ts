/** What files do on their way, proven once for every site that can carry them. */
import { after, afterEach, before, describe } from 'node:test';
import { changing, changingBeforePull, changingUnsummed } from './changes.ts';
import { containers } from './containers.ts';
import { disks, smallStaging, stagingDisks } from './disks.ts';
import { downloads } from './downloads.ts';
import { forms } from './forms.ts';
import { createHands, type Hands, nothingLeft, type Route } from './hands.ts';
import { limits } from './limits.ts';
import { hostileNames } from './names.ts';
import { clusterFiles, fenced, policies, readOnly, setuid } from './policy.ts';
import { progress, records } from './records.ts';
import type { StartSite, Where } from './site.ts';
import { stopping, stoppingPct } from './stopping.ts';
import { together } from './together.ts';
import { uploads } from './uploads.ts';

const places: readonly (readonly [Where, Route])[] = [
  ['container', 'staging'],
  ['container', 'stream'],
  ['host', 'staging'],
];

const generous = { MAX_FILE_SIZE: String(1024 ** 3), ALLOW_SETUID: 'true' };

export function fileSuite(start: StartSite, options: { skip?: string } = {}): void {
  for (const [where, route] of places) {
    const grip = { where, route };
    const staged = where === 'container' && route === 'staging';

    describe(`files of the ${where}, TRANSFER_ROUTE=${route}`, options, () => {
      const hands = useHands(start, grip);
      for (const part of [uploads, downloads, hostileNames, forms, limits, together, records]) part(hands);
      if (where === 'host') clusterFiles(hands);
    });

    describe(`large files of the ${where}, TRANSFER_ROUTE=${route}`, options, () => {
      const hands = useHands(start, grip, generous);
      for (const part of [changing, stopping, progress, setuid]) part(hands);
      if (staged) for (const part of [changingBeforePull, stoppingPct]) part(hands);
      if (where === 'container') for (const part of [changingUnsummed, containers]) part(hands);
    });

    describe(`full disks, ${where}, TRANSFER_ROUTE=${route}`, options, () => {
      const hands = useHands(start, grip, { STAGING_DIR: smallStaging });
      disks(hands);
      if (staged) stagingDisks(hands);
    });

    describe(`policy on files of the ${where}, TRANSFER_ROUTE=${route}`, options, () => {
      policies(useHands(start, grip, fenced));
    });
  }

  describe('files of a gateway that is read-only', options, () => {
    const grip = { where: 'container', route: 'staging' } as const;
    readOnly(useHands(start, grip, { READ_ONLY: 'true' }, 0));
  });
}

/** After every test nothing may be left for long; 0 where there is no shell to look for it. */
function useHands(
  start: StartSite,
  grip: { where: Where; route: Route },
  env: Record<string, string> = {},
  leftMs = 5_000,
): () => Hands {
  let hands: Hands | undefined;
  const get = () => {
    if (hands === undefined) throw new Error('the site is not up');
    return hands;
  };
  before(async () => {
    const site = await start({ TRANSFER_ROUTE: grip.route, ENABLE_HOST_EXEC: 'true', ...env });
    hands = await createHands({ site, ...grip });
  });
  if (leftMs > 0) afterEach(() => nothingLeft(get(), leftMs));
  after(() => hands?.site.close());
  return get;
}
