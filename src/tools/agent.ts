/** Working inside virtual machines through the guest agent. */
import { z } from 'zod';
import { failure } from '../base/errors.ts';
import { commandLine } from '../base/shell.ts';
import { type GuestFactsRow, guestFacts, guestFactsText } from './agent-facts.ts';
import { agentFileTools } from './agent-files.ts';
import { defineTool } from './define.ts';
import { allowedTimeoutMs, CommandText, ResponseFormat, TimeoutS, Vmid } from './params.ts';
import { bytesFor, CommandOutput, commandOutput, json, showCommand } from './render.ts';

const maxWordChars = 8_192;
const maxWords = 256;

/** The agent's protocol breaks on anything else. */
const Word = z
  .string()
  .max(maxWordChars)
  .regex(/^\p{ASCII}*$/u, 'must be ASCII')
  .refine((text) => !text.includes('\0'), 'must not hold a NUL byte');

const Argv = z
  .array(Word)
  .min(1)
  .max(maxWords)
  .refine(([program]) => program !== '', 'must name a program')
  .meta({ description: 'Program and arguments, run without a shell, in place of command: for Windows' });

const cutNote = 'the guest agent itself left out what exceeded its 16 MiB';

export const agentTools = [
  defineTool({
    name: 'proxmox_vm_exec',
    title: 'Run a command in a VM',
    about: 'Runs a command in a running VM through its guest agent; returns output and exit code.',
    toolset: 'vms',
    effect: 'disrupt',
    target: 'vm',
    needs: 'api',
    openWorld: true,
    input: z.strictObject({
      vmid: Vmid,
      command: CommandText.optional(),
      argv: Argv.optional(),
      timeout: TimeoutS.default(30),
      response_format: ResponseFormat.default('text'),
    }),
    output: CommandOutput,
    runs: ({ command, argv }) => ({ command: command ?? commandLine(argv ?? []), variables: [] }),
    async run({ vmid, command, argv, timeout, response_format: form }, { ops, signal, limits }) {
      const wanted = command ?? argv;
      if (wanted === undefined || (command !== undefined && argv !== undefined))
        throw failure('INVALID_ARGUMENT', { problem: 'command, argv: give one of them' });
      const timeoutMs = allowedTimeoutMs(timeout, limits.maxTimeoutS);
      const maxBytes = bytesFor(limits.maxChars);
      const result = await ops.agent.exec({ vmid, command: wanted, timeoutMs, maxBytes }, { signal });
      const note = result.cut ? cutNote : undefined;
      return commandOutput(result, { maxChars: limits.maxChars, form, note });
    },
    show: (output, { response_format }) => (response_format === 'json' ? json(output) : showCommand(output)),
    exitCode: (output) => output.exit_code,
  }),
  defineTool({
    name: 'proxmox_vm_agent_info',
    title: 'VM guest information',
    about: 'Asks the guest agent of a running VM for its system, host name, addresses and file systems.',
    toolset: 'vms',
    effect: 'read',
    target: 'vm',
    needs: 'api',
    input: z.strictObject({ vmid: Vmid }),
    output: z.looseObject({ vmid: z.number() }),
    run: async ({ vmid }, { ops, signal }) => ({ ...guestFacts(vmid, await ops.agent.info(vmid, signal)) }),
    show: (facts) => guestFactsText(facts as unknown as GuestFactsRow),
  }),
  ...agentFileTools,
];
