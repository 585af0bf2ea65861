/** What the cluster's own files say of its guests, read over SSH or on the host itself. */
import { failure, type GatewayError } from '../base/errors.ts';
import { wholeText } from '../exec/capture.ts';
import type { Command, Executor } from '../exec/executor.ts';
import { type ContainerDriver, lxcAttachDriver, pctDriver } from './driver.ts';
import { type ContainerConfig, parseConfig } from './guest-conf.ts';
import type { Hosts } from './hosts.ts';
import { type Guest, parseSurvey, type Survey, surveyScript } from './survey.ts';

export interface SshSource {
  /** What runs is known of the first node's guests alone. */
  survey(signal: AbortSignal): Promise<Survey>;
  /** Guests of other nodes, with what their nodes say of them; those of a node that is silent stay unknown. */
  withStates(guests: readonly Guest[], signal: AbortSignal): Promise<readonly Guest[]>;
  config(guest: Guest, signal: AbortSignal): Promise<ContainerConfig>;
  driver(signal: AbortSignal): Promise<ContainerDriver>;
}

/** A thousand containers make a survey of about 200 kB. */
const maxSurveyBytes = 16 * 1024 * 1024;
const maxConfigBytes = 1024 * 1024;
const surveyTimeoutMs = 30_000;
/** Nobody waits longer for another node to say what runs there. */
const statesTimeoutMs = 5_000;

export function createSshSource(input: {
  hosts: Hosts;
  driverName: 'auto' | 'lxc-attach' | 'pct';
}): SshSource {
  const { hosts } = input;
  let driver: ContainerDriver | undefined;

  const sh = async (
    executor: Executor,
    script: string,
    limits: Pick<Command, 'maxBytes' | 'timeoutMs'>,
    signal: AbortSignal,
    args: string[] = [],
  ) => await executor.run({ argv: ['/bin/sh', '-c', script, 'sh', ...args], ...limits }, { signal });

  const chooseDriver = async (signal: AbortSignal): Promise<ContainerDriver> => {
    if (input.driverName === 'pct') return pctDriver;
    if (input.driverName === 'lxc-attach') return lxcAttachDriver;
    const limits = { timeoutMs: surveyTimeoutMs, maxBytes: 1000 };
    const { exitCode } = await sh(hosts.first, 'command -v lxc-attach >/dev/null', limits, signal);
    return exitCode === 0 ? lxcAttachDriver : pctDriver;
  };

  const chosen = async (signal: AbortSignal): Promise<ContainerDriver> => {
    driver ??= await chooseDriver(signal);
    return driver;
  };

  /** Ids of the containers that run on another node; undefined where it cannot be asked. */
  const runningOn = async (node: string, signal: AbortSignal): Promise<ReadonlySet<number> | undefined> => {
    const { states, running } = await chosen(signal);
    const within = AbortSignal.any([signal, AbortSignal.timeout(statesTimeoutMs)]);
    try {
      const { executor } = await hosts.on(node, within);
      const limits = { timeoutMs: statesTimeoutMs, maxBytes: maxSurveyBytes };
      const { exitCode, stdout } = await sh(executor, `${states}; exit 0`, limits, within);
      return exitCode === 0 ? running(wholeText(stdout)) : undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      return undefined;
    }
  };

  return {
    driver: chosen,
    async survey(signal) {
      const { running, states } = await chosen(signal);
      const limits = { timeoutMs: surveyTimeoutMs, maxBytes: maxSurveyBytes };
      const { exitCode, stdout, stderr } = await sh(hosts.first, surveyScript(states), limits, signal);
      if (exitCode !== 0) throw lookFailed('its guests', wholeText(stderr));
      const survey = parseSurvey(wholeText(stdout), running);
      if (survey.members !== undefined) hosts.know(survey.members);
      return survey;
    },
    async withStates(guests, signal) {
      const nodes = [...new Set(guests.map(({ node }) => node))];
      const running = new Map(
        await Promise.all(nodes.map(async (node) => [node, await runningOn(node, signal)] as const)),
      );
      return guests.map((guest) => {
        const here = running.get(guest.node);
        return here === undefined
          ? guest
          : { ...guest, status: here.has(guest.vmid) ? 'running' : 'stopped' };
      });
    },
    async config({ vmid, node }, signal) {
      const limits = { timeoutMs: surveyTimeoutMs, maxBytes: maxConfigBytes };
      const path = `/etc/pve/nodes/${node}/lxc/${vmid}.conf`;
      const { exitCode, stdout, stderr } = await sh(hosts.first, `cat -- "$1"`, limits, signal, [path]);
      if (exitCode !== 0) throw lookFailed(`the configuration of container ${vmid}`, wholeText(stderr));
      return { vmid, node, ...parseConfig(wholeText(stdout)) };
    },
  };
}

function lookFailed(what: string, stderr: string): GatewayError {
  return failure('LOOK_FAILED', { what }, { evidence: { stderr } });
}
