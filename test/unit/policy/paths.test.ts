import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilePlace, PathRule } from '../../../src/base/paths.ts';
import { pathProblem } from '../../../src/policy/paths.ts';

/** As an operator writes it. */
function rules(text: string): PathRule[] {
  return text
    .split(' ')
    .filter((item) => item !== '')
    .map((item) => {
      const [, place, path = ''] = /^(?:(host|container):)?(.*)$/.exec(item) ?? [];
      return { path, place: place as FilePlace | undefined };
    });
}

function problemWith({ allowed = '', denied = '' }: { allowed?: string; denied?: string }) {
  return (where: string) => {
    const [place, path = ''] = where.split(/:(.*)/s) as [FilePlace, string];
    return pathProblem({ place, path }, { allowedPaths: rules(allowed), deniedPaths: rules(denied) });
  };
}

interface Row {
  readonly allowed?: string;
  readonly denied?: string;
  readonly passes: readonly string[];
  readonly refused: Readonly<Record<string, RegExp>>;
}

const deniedBySetting = /\(DENIED_PATHS\)/;
const notListed = /not among ALLOWED_PATHS/;
const cluster = /ALLOWED_PATHS names it, for example host:\/etc\/pve\/lxc/;

const table: Readonly<Record<string, Row>> = {
  'without rules all but the kernel and the cluster’s configuration is there to be touched': {
    passes: ['container:/etc/shadow', 'host:/etc/shadow', 'container:/etc/pve/x', 'host:/etc/pve-old/x'],
    refused: {
      'host:/etc/pve/priv/authkey.key': cluster,
      'host:/etc/pve': cluster,
      'host:/proc/1/environ': /below \/proc/,
      'container:/proc/self/fd/3': /below \/proc/,
      'container:/sys/kernel/uevent_helper': /below \/sys/,
      'container:/dev/stdin': /below \/dev/,
    },
  },
  'a prefix ends at a separator': {
    allowed: '/srv/share',
    passes: ['container:/srv/share/x', 'container:/srv/share', 'host:/srv/share/a/b', 'host:/srv/share/.x'],
    refused: {
      'container:/srv/share-evil/x': notListed,
      'container:/srv/shar': notListed,
      'host:/srv': notListed,
      'container:/x/srv/share/y': notListed,
    },
  },
  'a rule with a place counts there alone': {
    allowed: 'host:/var/lib/vz container:/etc',
    denied: 'container:/etc/ssh host:/var/lib/vz/private',
    passes: ['host:/var/lib/vz/template/x', 'container:/etc/hosts'],
    refused: {
      'container:/var/lib/vz/template/x': notListed,
      'host:/etc/hosts': notListed,
      'container:/etc/ssh/key': deniedBySetting,
      'host:/var/lib/vz/private/x': deniedBySetting,
    },
  },
  'a rule without a place counts in both': {
    denied: '/root',
    passes: ['container:/rooted', 'host:/home/root/x'],
    refused: { 'container:/root/.ssh/x': deniedBySetting, 'host:/root/.ssh/x': deniedBySetting },
  },
  'denied wins over allowed, however exact that is': {
    allowed: '/srv /srv/secret/key',
    denied: '/srv/secret',
    passes: ['container:/srv/open'],
    refused: { 'container:/srv/secret/key': deniedBySetting },
  },
  'allowing everything does not allow the cluster’s configuration': {
    allowed: '/ host:/etc',
    passes: ['host:/etc/hosts', 'container:/etc/pve/x'],
    refused: { 'host:/etc/pve/priv/authkey.key': cluster },
  },
  'what allows a part of the cluster’s configuration by name allows that part alone': {
    allowed: '/ host:/etc/pve/lxc',
    passes: ['host:/etc/pve/lxc/100.conf', 'host:/srv/x'],
    refused: { 'host:/etc/pve/priv/authkey.key': cluster, 'host:/etc/pve/lxc-evil/x': cluster },
  },
  'the whole of it can be allowed, and a part be denied again': {
    allowed: 'host:/etc/pve',
    denied: 'host:/etc/pve/priv',
    passes: ['host:/etc/pve/lxc/100.conf'],
    refused: { 'host:/etc/pve/priv/authkey.key': deniedBySetting, 'host:/etc/hosts': notListed },
  },
  'a rule for containers opens nothing of it on the host': {
    allowed: '/ container:/etc/pve',
    passes: ['container:/etc/pve/x'],
    refused: { 'host:/etc/pve/x': cluster },
  },
  'trees of the kernel cannot be allowed': {
    allowed: '/ /proc host:/sys container:/dev/shm',
    passes: ['container:/processed', 'container:/devices/x', 'host:/system', 'container:/run/dev/x'],
    refused: {
      'container:/proc/self/environ': /below \/proc/,
      'host:/sys/x': /below \/sys/,
      'container:/dev/shm/x': /below \/dev/,
      'host:/dev': /below \/dev/,
    },
  },
};

for (const [name, { passes, refused, ...settings }] of Object.entries(table))
  test(name, () => {
    const problem = problemWith(settings);
    for (const where of passes) assert.equal(problem(where), undefined, where);
    for (const [where, words] of Object.entries(refused)) assert.match(problem(where) ?? '', words, where);
  });
