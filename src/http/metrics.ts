/** The metrics listener's only page. */
import type { RequestListener } from 'node:http';
import type { Metrics } from '../observe/metrics.ts';
import { createArrival } from './arrival.ts';

export function metricsPage(metrics: Metrics): RequestListener {
  const arrival = createArrival();
  return (request, response) => {
    arrival.bound(request, response);
    const path = request.url?.split('?')[0];
    if (path !== '/metrics' || (request.method !== 'GET' && request.method !== 'HEAD')) {
      const status = path === '/metrics' ? 405 : 404;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: 'The metrics are at GET /metrics' }));
      return;
    }
    metrics.expose().then(
      ({ text, contentType }) => {
        response.writeHead(200, { 'content-type': contentType });
        response.end(request.method === 'HEAD' ? undefined : text);
      },
      () => {
        response.writeHead(500, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ error: 'The metrics could not be collected' }));
      },
    );
  };
}
