/** Files by one-time URLs, as curl sends and fetches them: streamed from and to the disk. */
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';

const highWaterMark = 256 * 1024;

/** Throws with the answer where the file was not taken. */
export async function putFile(url: URL, path: string): Promise<void> {
  const { size } = await stat(path);
  const outgoing = request(url, { method: 'PUT', headers: { 'content-length': size } });
  const answered = answerTo(outgoing);
  await Promise.all([pipeline(createReadStream(path, { highWaterMark }), outgoing), answered]);
  const answer = await answered;
  const said = await text(answer);
  if (answer.statusCode !== 201) throw new Error(`PUT was answered ${answer.statusCode}: ${said}`);
}

/** Throws with the answer where there is no file; one that is cut short ends the answer with an error. */
export async function getFile(url: URL, path: string): Promise<void> {
  const outgoing = request(url);
  outgoing.end();
  const answer = await answerTo(outgoing);
  if (answer.statusCode !== 200)
    throw new Error(`GET was answered ${answer.statusCode}: ${await text(answer)}`);
  await pipeline(answer, createWriteStream(path, { highWaterMark }));
}

function answerTo(outgoing: ReturnType<typeof request>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    outgoing.once('response', resolve).once('error', reject);
  });
}
