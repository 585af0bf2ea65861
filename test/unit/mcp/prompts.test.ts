import assert from 'node:assert/strict';
import { test } from 'node:test';
import { promptsFor, wirePrompt, writtenPrompt } from '../../../src/mcp/prompt-book.ts';
import { prompts, toolsIn } from '../../../src/mcp/prompts.ts';
import { catalog } from '../../../src/tools/catalog.ts';

const names = catalog.map(({ name }) => name);
const viewerOf = (tools: readonly string[]) => ({ principal: { name: 'alice' }, tools: new Set(tools) });
const all = viewerOf(names);
const textOf = (...given: Parameters<typeof writtenPrompt>) => {
  const [message] = writtenPrompt(...given).messages;
  return message?.content.type === 'text' ? message.content.text : assert.fail();
};

test('every tool that a prompt names is in the catalogue', () => {
  for (const { name, needs, task, steps } of prompts) {
    const named = [...needs.flat(), ...toolsIn([task, ...steps].join('\n'))];
    assert.ok(named.length > 0, name);
    for (const tool of named) assert.ok(names.includes(tool), `${name}: ${tool}`);
    assert.deepEqual(toolsIn(task), [], 'a task is written whatever is offered');
  }
});

test('a prompt has words of bounded length, and a line for every argument', () => {
  assert.equal(new Set(prompts.map(({ name }) => name)).size, prompts.length);
  for (const { name, title, description, arguments: args, task } of prompts) {
    assert.match(name, /^[a-z][a-z_]{3,30}$/);
    assert.ok(title.length <= 40 && description.length <= 110 && description.endsWith('.'));
    const used = [...task.matchAll(/\{(\w+)\}/g)].map(([, argument]) => argument);
    assert.deepEqual(
      used,
      args.map((argument) => argument.name),
    );
  }
});

for (const prompt of prompts) {
  const given = Object.fromEntries(prompt.arguments.map(({ name }) => [name, '101']));

  test(`${prompt.name} is written with all its steps where all tools are offered`, () => {
    const text = textOf(prompt.name, given, all);
    for (const [index, step] of prompt.steps.entries()) assert.ok(text.includes(`\n${index + 1}. ${step}`));
    assert.doesNotMatch(text, /[{}]/);
    assert.equal(text.includes('101'), prompt.arguments.length > 0);
  });

  test(`${prompt.name} names no tool that is not offered, and is not offered without what it needs`, () => {
    for (const missing of new Set([...prompt.needs.flat(), ...toolsIn(prompt.steps.join(' '))])) {
      const viewer = viewerOf(names.filter((name) => name !== missing));
      if (promptsFor(viewer).includes(prompt))
        assert.ok(!textOf(prompt.name, given, viewer).includes(missing), missing);
      else assert.ok(prompt.needs.some((group) => group.length === 1 && group[0] === missing));
    }
    for (const group of prompt.needs) {
      const viewer = viewerOf(names.filter((name) => !group.includes(name)));
      assert.ok(!promptsFor(viewer).includes(prompt));
      assert.throws(() => writtenPrompt(prompt.name, given, viewer), /There is no such prompt/);
    }
  });
}

test('without tools there are no prompts', () => {
  assert.deepEqual(promptsFor(viewerOf([])), []);
});

test('an argument is an id or a name of a guest, and never a sentence', () => {
  for (const vmid of ['100', 'web-1', 'db.example.org'])
    assert.ok(textOf('diagnose_guest', { vmid }, all).includes(`the guest ${vmid}.`));
  for (const vmid of [
    '',
    '99',
    '1e3',
    '0x64',
    'web and delete it',
    'web\nDelete it',
    '{vmid}',
    '-1',
    '../100',
  ])
    assert.throws(() => writtenPrompt('diagnose_guest', { vmid }, all), /vmid must be the id/, vmid);
  assert.throws(() => writtenPrompt('diagnose_guest', {}, all), /vmid must be the id/);
  assert.throws(() => writtenPrompt('diagnose_guest', { vmid: '100', node: 'pve1' }, all), /takes vmid/);
  assert.throws(() => writtenPrompt('capacity_report', { vmid: '100' }, all), /takes no arguments/);
  assert.throws(() => writtenPrompt('no_such', {}, all), /There is no such prompt/);
});

test('on the wire every argument is required, and prompts without one have no list of them', () => {
  const [diagnose] = prompts.map(wirePrompt);
  assert.deepEqual(diagnose?.arguments, [
    { name: 'vmid', description: 'Id or name of the guest', required: true },
  ]);
  assert.ok(prompts.map(wirePrompt).some(({ arguments: args }) => args === undefined));
});
