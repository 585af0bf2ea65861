/** Running commands in a container and, where that is switched on, on the host. */
import { z } from 'zod';
import { defineTool } from './define.ts';
import {
  allowedTimeoutMs,
  CommandText,
  Directory,
  ResponseFormat,
  Stdin,
  TimeoutS,
  UserName,
  Variables,
  Vmid,
} from './params.ts';
import { bytesFor, CommandOutput, commandOutput, json, showCommand } from './render.ts';

const detached = /(^|[^&>|])&\s{0,8}($|[;\n)]|exit\b|echo\b)|\b(nohup|setsid|disown|daemonize)\b/;
const untracked = 'processes left in the background are not tracked: they may go on after this call';

function noteOn(command: string, background: boolean): string | undefined {
  return background || detached.test(command) ? untracked : undefined;
}

export const runTools = [
  defineTool({
    name: 'proxmox_container_exec_command',
    title: 'Run a command in a container',
    about:
      'Runs a shell command in one running container. On timeout or cancellation it is killed with its children.',
    toolset: 'containers',
    effect: 'disrupt',
    target: 'container',
    needs: 'ssh',
    everyday: true,
    openWorld: true,
    input: z.strictObject({
      vmid: Vmid,
      command: CommandText,
      timeout: TimeoutS.default(30),
      response_format: ResponseFormat.default('text'),
      cwd: Directory.optional(),
      env: Variables.optional(),
      user: UserName.optional(),
      stdin: Stdin.optional(),
    }),
    output: CommandOutput,
    runs: ({ command, env = {} }) => ({ command, variables: Object.keys(env) }),
    async run({ timeout, response_format: form, ...request }, { ops, signal, limits, onOutput }) {
      const result = await ops.run.inContainer(
        {
          ...request,
          timeoutMs: allowedTimeoutMs(timeout, limits.maxTimeoutS),
          maxBytes: bytesFor(limits.maxChars),
        },
        { signal, ...(onOutput && { onOutput }) },
      );
      const note = noteOn(request.command, result.background);
      return commandOutput(result, { maxChars: limits.maxChars, form, note });
    },
    show: (output, { response_format }) => (response_format === 'json' ? json(output) : showCommand(output)),
    exitCode: (output) => output.exit_code,
  }),
  defineTool({
    name: 'proxmox_host_exec_command',
    title: 'Run a command on the host',
    about:
      'Runs a shell command on the Proxmox VE host itself, with all its rights. Prefer proxmox_container_exec_command for anything inside a container.',
    toolset: 'host',
    effect: 'destroy',
    target: 'host',
    needs: 'ssh',
    everyday: true,
    openWorld: true,
    input: z.strictObject({
      command: CommandText,
      timeout: TimeoutS.default(30),
      response_format: ResponseFormat.default('text'),
    }),
    output: CommandOutput,
    runs: ({ command }) => ({ command, variables: [] }),
    async run({ command, timeout, response_format: form }, { ops, signal, limits, onOutput }) {
      const result = await ops.run.onHost(
        {
          command,
          timeoutMs: allowedTimeoutMs(timeout, limits.maxTimeoutS),
          maxBytes: bytesFor(limits.maxChars),
        },
        { signal, ...(onOutput && { onOutput }) },
      );
      const note = noteOn(command, result.background);
      return commandOutput(result, { maxChars: limits.maxChars, form, note });
    },
    show: (output, { response_format }) => (response_format === 'json' ? json(output) : showCommand(output)),
    exitCode: (output) => output.exit_code,
  }),
];
