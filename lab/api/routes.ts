/** Finds the endpoint of a request. */
import type { Endpoint } from './endpoint.ts';
import { segmentsOf } from './request.ts';

export interface Route {
  readonly endpoint: Endpoint;
  /** What the placeholders of the path stand for. */
  readonly places: ReadonlyMap<string, string>;
}

export type Router = (method: string, segments: readonly string[]) => Route | undefined;

const placeholder = /^\{(\w+)\}$/;

/** A volume's id has slashes in it, and takes all that is left of the path. */
function placesIn(template: readonly string[], segments: readonly string[]): Map<string, string> | undefined {
  const places = new Map<string, string>();
  for (const [at, part] of template.entries()) {
    const name = placeholder.exec(part)?.[1];
    const given = name === 'volume' ? segments.slice(at).join('/') : segments[at];
    if (given === undefined || given === '') return undefined;
    if (name !== undefined) places.set(name, given);
    else if (part !== given) return undefined;
    if (name === 'volume') return places;
  }
  return template.length === segments.length ? places : undefined;
}

/** Of several endpoints that fit, the one with the fewest placeholders is meant. */
export function createRouter(endpoints: readonly Endpoint[]): Router {
  const templates = endpoints.map((endpoint) => ({ endpoint, template: segmentsOf(endpoint.path) }));
  return (method, segments) => {
    let best: Route | undefined;
    for (const { endpoint, template } of templates) {
      if (endpoint.method !== method) continue;
      const places = placesIn(template, segments);
      if (places !== undefined && (best === undefined || places.size < best.places.size))
        best = { endpoint, places };
    }
    return best;
  };
}
