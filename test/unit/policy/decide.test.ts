import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide, isOffered, isReachable } from '../../../src/policy/decide.ts';
import type { Intent, LocatedGuest, Rules } from '../../../src/policy/rules.ts';
import { catalog } from '../../../src/tools/catalog.ts';
import type { Tool } from '../../../src/tools/define.ts';

const principal = { name: 'alice' };

/** As a gateway has them whose operator set nothing. */
const defaults: Rules = {
  toolsets: [],
  readOnly: false,
  hostExec: false,
  destructive: false,
  requireConfirmation: false,
  allowedVmids: [],
  deniedVmids: [],
  dangerousCommands: false,
  setuid: false,
  allowedPaths: [],
  deniedPaths: [],
};

const guest: LocatedGuest = { vmid: 100, node: 'pve1', kind: 'container', name: 'web', tags: [] };

const aimsAtGuest = ({ target }: Tool) => ['container', 'vm', 'guest'].includes(target);
/** Whether it needs ENABLE_DESTRUCTIVE. */
const isFinal = ({ effect, toolset }: Tool) => effect === 'destroy' && toolset !== 'host';

/** The call of a tool that does the worst that it can. */
function intentOf(tool: Tool, more: Partial<Intent> = {}): Intent {
  const { name, toolset, effect, everyday } = tool;
  return { tool: name, toolset, effect, everyday, ...(aimsAtGuest(tool) ? { vmid: 100 } : {}), ...more };
}

function reasonAgainst(intent: Intent, rules: Partial<Rules> = {}): string | undefined {
  const decision = decide(principal, intent, { ...defaults, ...rules });
  return decision.kind === 'deny' ? decision.reason : undefined;
}

const only = (first: number, last = first) => [{ first, last }];
const everything: Partial<Rules> = { toolsets: ['all'], hostExec: true, destructive: true };

const ruleSets: readonly {
  name: string;
  rules: Partial<Rules>;
  allows: (tool: Tool) => boolean;
  setting: RegExp;
}[] = [
  {
    name: 'nothing set',
    rules: {},
    allows: (tool) => tool.everyday === true && tool.toolset !== 'host' && !isFinal(tool),
    setting: /ENABLE_HOST_EXEC=true|ENABLE_DESTRUCTIVE=true|only offered in part .*TOOLSETS/,
  },
  {
    name: 'ENABLE_HOST_EXEC',
    rules: { hostExec: true },
    allows: (tool) => tool.everyday === true && !isFinal(tool),
    setting: /ENABLE_DESTRUCTIVE=true|only offered in part .*TOOLSETS/,
  },
  { name: 'everything on', rules: everything, allows: () => true, setting: /./ },
  {
    name: 'TOOLSETS=all with ENABLE_HOST_EXEC',
    rules: { ...everything, destructive: false },
    allows: (tool) => !isFinal(tool),
    setting: /cannot be undone.*ENABLE_DESTRUCTIVE=true/,
  },
  {
    name: 'TOOLSETS=default,snapshots',
    rules: { toolsets: ['default', 'snapshots'], destructive: true },
    allows: ({ toolset, everyday }) => toolset !== 'host' && (everyday === true || toolset === 'snapshots'),
    setting: /ENABLE_HOST_EXEC=true|is switched off .*TOOLSETS/,
  },
  {
    name: 'READ_ONLY with everything on',
    rules: { ...everything, readOnly: true },
    allows: ({ effect }) => effect === 'read',
    setting: /READ_ONLY/,
  },
  {
    name: 'READ_ONLY with TOOLSETS=all',
    rules: { toolsets: ['all'], readOnly: true },
    allows: ({ toolset, effect }) => toolset !== 'host' && effect === 'read',
    setting: /READ_ONLY|ENABLE_HOST_EXEC/,
  },
  ...(['containers', 'files', 'vms', 'snapshots', 'api'] as const).map((only) => ({
    name: `TOOLSETS=${only} with everything on`,
    rules: { ...everything, toolsets: [only] },
    allows: ({ toolset }: Tool) => toolset === only,
    setting: /^the toolset \w+ is switched off \(an operator can add it to TOOLSETS\)$/,
  })),
  {
    name: 'TOOLSETS=host without ENABLE_HOST_EXEC',
    rules: { toolsets: ['host'], destructive: true },
    allows: () => false,
    setting: /TOOLSETS|ENABLE_HOST_EXEC/,
  },
  {
    name: 'ALLOWED_VMIDS=200-299 with everything on',
    rules: { ...everything, allowedVmids: only(200, 299) },
    allows: (tool) => !aimsAtGuest(tool),
    setting: /ALLOWED_VMIDS, DENIED_VMIDS/,
  },
  {
    name: 'DENIED_VMIDS=100 with everything on',
    rules: { ...everything, deniedVmids: only(100) },
    allows: (tool) => !aimsAtGuest(tool),
    setting: /ALLOWED_VMIDS, DENIED_VMIDS/,
  },
  {
    name: 'DENIED_VMIDS over ALLOWED_VMIDS with everything on',
    rules: { ...everything, allowedVmids: only(100, 199), deniedVmids: only(90, 100) },
    allows: (tool) => !aimsAtGuest(tool),
    setting: /ALLOWED_VMIDS, DENIED_VMIDS/,
  },
];

for (const tool of catalog) {
  for (const { name, rules, allows, setting } of ruleSets) {
    const allowed = allows(tool);
    test(`${tool.name} is ${allowed ? 'allowed' : 'refused'} with ${name}`, () => {
      const reason = reasonAgainst(intentOf(tool), rules);
      assert.equal(reason === undefined, allowed, reason ?? 'it was allowed');
      if (reason !== undefined) assert.match(reason, setting);
    });
  }

  test(`${tool.name} is shown exactly where some argument could make it allowed`, () => {
    const mildest: Tool = tool.effectOf === undefined ? tool : { ...tool, effect: 'read' };
    for (const { rules, allows } of ruleSets) {
      const vmidsMatter = (rules.allowedVmids ?? rules.deniedVmids) !== undefined;
      const shown = isOffered(mildest, { ...defaults, ...rules });
      assert.equal(shown, vmidsMatter || allows(mildest));
    }
  });

  test(`${tool.name} needs a person exactly where it cannot be undone`, () => {
    for (const requireConfirmation of [false, true]) {
      const decision = decide(principal, intentOf(tool), { ...defaults, ...everything, requireConfirmation });
      const expected = isFinal(tool) ? { kind: 'confirm', required: requireConfirmation } : { kind: 'allow' };
      assert.deepEqual(decision, expected);
    }
  });
}

test('a guest that the arguments name besides the first is judged like it', () => {
  for (const tool of catalog) {
    const rules = { ...everything, deniedVmids: only(105) };
    const reason = (reaches: Intent['reaches']) => reasonAgainst(intentOf(tool, { reaches }), rules);
    assert.match(reason([101, 105]) ?? '', /^guest 105 is outside .*DENIED_VMIDS/);
    assert.equal(reason([101, 106]), undefined);
    assert.equal(reason([]), undefined);
    assert.match(reason('every') ?? '', /not every guest is in reach .*ALLOWED_VMIDS/);
    assert.match(
      reasonAgainst(intentOf(tool, { reaches: 'every' }), { ...everything, allowedVmids: only(100) }) ?? '',
      /not every guest is in reach/,
    );
    assert.equal(reasonAgainst(intentOf(tool, { reaches: 'every' }), everything), undefined);
  }
});

test('the words of a refusal do not depend on whether the guest exists', () => {
  for (const tool of catalog.filter(aimsAtGuest)) {
    const rules = { ...everything, deniedVmids: only(100) };
    const before = reasonAgainst(intentOf(tool), rules);
    assert.equal(reasonAgainst(intentOf(tool, { guest }), rules), before);
    assert.equal(reasonAgainst(intentOf(tool, { guest: { ...guest, kind: 'vm' } }), rules), before);
    assert.ok(before);
  }
});

test('a range holds both its ends and nothing beside them', () => {
  const rules = { ...defaults, allowedVmids: [...only(200, 299), ...only(400)] };
  const reachable = [199, 200, 250, 299, 300, 399, 400, 401].filter((vmid) => isReachable(vmid, rules));
  assert.deepEqual(reachable, [200, 250, 299, 400]);
});

test('without lists every guest is in reach', () => {
  assert.equal(isReachable(100, defaults), true);
  assert.equal(isReachable(999_999_999, defaults), true);
});

const exec = catalog.find(({ name }) => name === 'proxmox_container_exec_command');
assert.ok(exec);

const hijacking = [
  'LD_PRELOAD',
  'LD_LIBRARY_PATH',
  'LD_AUDIT',
  'BASH_ENV',
  'ENV',
  'IFS',
  'SHELLOPTS',
  'BASHOPTS',
  'PS4',
  'PROMPT_COMMAND',
  'GCONV_PATH',
  'BASH_FUNC_ls',
];
for (const name of hijacking) {
  test(`the variable ${name} is refused by name`, () => {
    const intent = intentOf(exec, { command: 'id', variables: ['LANG', name] });
    assert.match(reasonAgainst(intent) ?? '', new RegExp(`environment variable ${name} `));
    const daring = reasonAgainst(intent, { dangerousCommands: true });
    assert.match(daring ?? '', new RegExp(name), 'ENABLE_DANGEROUS_COMMANDS does not switch this off');
  });
}

test('variables that only sound alike pass', () => {
  const variables = ['LANG', 'OLD_PATH', 'ENVIRONMENT', 'MY_IFS', 'PS1', 'BUILD_ENV', 'TOOLD_X'];
  assert.equal(reasonAgainst(intentOf(exec, { command: 'id', variables })), undefined);
});

test('a command that looks like an accident is refused, with the setting that allows it', () => {
  const intent = intentOf(exec, { command: 'rm -rf /' });
  assert.match(reasonAgainst(intent) ?? '', /only prevents accidents.*ENABLE_DANGEROUS_COMMANDS=true/);
  assert.equal(reasonAgainst(intent, { dangerousCommands: true }), undefined);
  assert.equal(reasonAgainst(intentOf(exec, { command: 'ls /' })), undefined);
});

test('who may not reach the guest does not hear about the command', () => {
  const intent = intentOf(exec, { command: 'rm -rf /', variables: ['LD_PRELOAD'] });
  assert.match(reasonAgainst(intent, { deniedVmids: only(100) }) ?? '', /^guest 100 /);
  assert.match(reasonAgainst(intent, { readOnly: true }) ?? '', /READ_ONLY/);
});

const fileTools = catalog.filter(({ touches }) => touches !== undefined);
test('what moves files, and nothing else, says which file it touches', () => {
  assert.deepEqual(
    fileTools.map(({ name }) => name),
    catalog.flatMap(({ name }) => (/_file(_|$)/.test(name) ? [name] : [])),
  );
});

for (const tool of fileTools) {
  const place = tool.target === 'host' ? 'host' : 'container';
  const mayTouch = (path: string, rules: Partial<Rules> = {}, mode?: number) =>
    reasonAgainst(intentOf(tool, { touches: { place, path }, mode }), { ...everything, ...rules });

  test(`${tool.name} touches a plain file, and no tree of the kernel, whatever is allowed`, () => {
    assert.equal(mayTouch('/srv/a'), undefined);
    const allowedPaths = ['/', '/proc', '/sys', '/dev'].map((path) => ({ path, place: undefined }));
    for (const path of ['/proc/self/environ', '/sys/x', '/dev/sda', '/proc', '/dev'])
      assert.match(mayTouch(path, { allowedPaths }) ?? '', /^files below \/(proc|sys|dev) are not/);
  });

  test(`${tool.name} makes setuid and setgid files only with ALLOW_SETUID`, () => {
    for (const mode of [0o4755, 0o2755, 0o6755, 0o4000, 0o2000]) {
      assert.match(mayTouch('/srv/a', {}, mode) ?? '', /ALLOW_SETUID=true/);
      assert.equal(mayTouch('/srv/a', { setuid: true }, mode), undefined);
    }
    for (const mode of [0, 0o644, 0o777, 0o1777]) assert.equal(mayTouch('/srv/a', {}, mode), undefined);
  });

  test(`${tool.name} hears of a switched-off tool or a guest out of reach before it hears of its path`, () => {
    const refused = (rules: Partial<Rules>) => mayTouch('/proc/x', rules, 0o4755);
    assert.match(refused({ toolsets: ['pools'] }) ?? '', /TOOLSETS/);
    if (place === 'container') assert.match(refused({ deniedVmids: only(100) }) ?? '', /^guest 100 /);
  });
}

test('all settings that stand in the way are named at once', () => {
  const hidden: Intent = { tool: 'proxmox_delete_vm', toolset: 'vms', effect: 'destroy' };
  const reason = (rules: Partial<Rules>, intent = hidden) => {
    const decision = decide(principal, intent, { ...defaults, ...rules });
    return decision.kind === 'deny' ? decision.reason : '';
  };
  assert.match(reason({}), /TOOLSETS\); and .*ENABLE_DESTRUCTIVE=true$/);
  assert.match(reason({ toolsets: ['host'] }), /switched off .*TOOLSETS\); and .*ENABLE_DESTRUCTIVE/);
  assert.doesNotMatch(reason({ toolsets: ['vms'] }), /TOOLSETS/);
  assert.doesNotMatch(reason({ readOnly: true }), /ENABLE_DESTRUCTIVE/);
  assert.match(reason({}, { ...hidden, toolset: 'host' }), /TOOLSETS\); and .*ENABLE_HOST_EXEC=true$/);
});
