/** What a server has beside its tools: resources, prompts and completion, as far as there are tools behind them. */
import type { Server, ServerCapabilities, ServerContext } from '@modelcontextprotocol/server';
import { callSignal } from './call-signal.ts';
import { createChoices } from './choices.ts';
import { createCompletion } from './completion.ts';
import type { Gate } from './gate.ts';
import { promptsFor, wirePrompt, writtenPrompt } from './prompt-book.ts';
import { createReading, type Viewer } from './reading.ts';
import { createResources, templatesFor } from './resources.ts';
import { isOffered, shapes } from './shapes.ts';

export interface Features {
  readonly capabilities: ServerCapabilities;
  /** Sets the handlers of what `capabilities` names. */
  serve(server: Server): void;
}

export function createFeatures({ gate }: { gate: Gate }): (viewer: Viewer) => Features {
  const reading = createReading({ gate });
  const choices = createChoices({ reading });
  const resources = createResources({ gate, reading, choices });
  const complete = createCompletion({ choices });

  return (viewer) => {
    const prompts = promptsFor(viewer);
    const lookOf = (context: ServerContext) => ({ viewer, signal: callSignal(context) });
    const capabilities: ServerCapabilities = {
      ...(shapes.some((shape) => isOffered(shape, viewer)) && { resources: {} }),
      ...(prompts.length > 0 && { prompts: {} }),
    };
    const serveResources = (server: Server) => {
      server.setRequestHandler('resources/list', ({ params }, context) =>
        resources.list(params?.cursor, lookOf(context)),
      );
      server.setRequestHandler('resources/templates/list', () => ({
        resourceTemplates: templatesFor(viewer),
      }));
      server.setRequestHandler('resources/read', ({ params: { uri } }, context) =>
        resources.read(uri, lookOf(context)),
      );
    };
    const servePrompts = (server: Server) => {
      server.setRequestHandler('prompts/list', () => ({ prompts: prompts.map(wirePrompt) }));
      server.setRequestHandler('prompts/get', ({ params }) =>
        writtenPrompt(params.name, params.arguments ?? {}, viewer),
      );
    };
    if (Object.keys(capabilities).length === 0) return { capabilities, serve() {} };
    return {
      capabilities: { ...capabilities, completions: {} },
      serve(server) {
        if (capabilities.resources !== undefined) serveResources(server);
        if (capabilities.prompts !== undefined) servePrompts(server);
        server.setRequestHandler('completion/complete', ({ params }, context) =>
          complete(params, lookOf(context)),
        );
      },
    };
  };
}
