/** Offers prompts as far as their tools are offered, and writes them out. */
import { type GetPromptResult, ProtocolError, type Prompt as WirePrompt } from '@modelcontextprotocol/server';
import { Vmid } from '../tools/params.ts';
import { type Prompt, prompts, toolsIn } from './prompts.ts';
import type { Viewer } from './reading.ts';

type Given = Readonly<Record<string, string>>;

export function promptsFor({ tools }: Viewer): readonly Prompt[] {
  return prompts.filter(({ needs }) => needs.every((group) => group.some((tool) => tools.has(tool))));
}

export function wirePrompt({ name, title, description, arguments: args }: Prompt): WirePrompt {
  return {
    ...{ name, title, description },
    ...(args.length > 0 && { arguments: args.map((argument) => ({ ...argument, required: true })) }),
  };
}

/** Throws ProtocolError. */
export function writtenPrompt(name: string, given: Given, viewer: Viewer): GetPromptResult {
  const prompt = promptsFor(viewer).find((each) => each.name === name);
  if (prompt === undefined) throw new ProtocolError(-32602, 'There is no such prompt');
  const values = valuesFor(prompt, given);
  const steps = prompt.steps.filter((step) => toolsIn(step).every((tool) => viewer.tools.has(tool)));
  const text = [prompt.task, '', ...steps.map((step, index) => `${index + 1}. ${step}`)]
    .join('\n')
    .replace(/\{(\w+)\}/g, (_, argument: string) => values.get(argument) ?? '');
  return {
    description: prompt.description,
    messages: [{ role: 'user', content: { type: 'text', text } }],
  };
}

/** SECURITY: what a client fills in is an id or a name and nothing else, so that it cannot be an instruction. */
function valuesFor({ arguments: args }: Prompt, given: Given): ReadonlyMap<string, string> {
  const known = args.map(({ name }) => name);
  if (Object.keys(given).some((name) => !known.some((each) => each === name)))
    throw new ProtocolError(-32602, `The prompt takes ${known.join(', ') || 'no arguments'}`);
  return new Map(
    known.map((name) => {
      const value = Vmid.safeParse(given[name]);
      if (!value.success) throw new ProtocolError(-32602, `${name} must be the id of a guest or its name`);
      return [name, String(value.data)];
    }),
  );
}
