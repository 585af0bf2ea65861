/** Reading the description of the API as nodes serve it, and files that are none. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ApiEndpoint, parseApiSchema } from '../../../../src/pve/schema/parse.ts';
import { fileOf, methodOf } from './file.ts';

async function only(...roots: unknown[]): Promise<ApiEndpoint> {
  const [first, ...others] = await parseApiSchema(fileOf(...roots));
  assert.ok(first !== undefined && others.length === 0);
  return first;
}

describe('a file as a node serves it', () => {
  test('endpoints come in the order of their paths and methods, from every depth', async () => {
    const endpoints = await parseApiSchema(
      fileOf(
        {
          path: '/nodes',
          info: { GET: methodOf() },
          children: [{ path: '/nodes/{node}', info: { PUT: methodOf(), GET: methodOf() } }],
        },
        {
          path: '/access',
          children: [{ path: '/access/a-b_c.d', info: { DELETE: methodOf(), POST: methodOf() } }],
        },
      ),
    );
    assert.deepEqual(
      endpoints.map(({ method, template }) => `${method} ${template}`),
      [
        'POST /access/a-b_c.d',
        'DELETE /access/a-b_c.d',
        'GET /nodes',
        'GET /nodes/{node}',
        'PUT /nodes/{node}',
      ],
    );
  });

  test('a parameter is read as Perl writes it', async () => {
    const { parameters } = await only({
      path: '/x',
      info: {
        GET: methodOf({
          parameters: {
            properties: {
              size: {
                type: 'integer',
                minimum: '16',
                maximum: 32,
                optional: 1,
                default: 20,
                description: 'Of it. More.',
              },
              'net[n]': {
                type: 'string',
                format: { bridge: {}, model: {} },
                optional: '1',
                typetext: '<string>',
              },
              mode: {
                type: 'string',
                enum: ['a', 'b'],
                optional: 0,
                pattern: '[ab]',
                minLength: 1,
                maxLength: 9,
              },
              boot: { type: 'string', format: 'pve-qm-boot', typetext: '[order=<device>] [,legacy=<x>]' },
              list: { type: 'array', items: { type: 'integer' } },
              odd: { type: 'object', enum: null, minimum: 'none' },
            },
          },
        }),
      },
    });
    const blank = {
      ...{
        type: 'string',
        itemType: 'string',
        required: true,
        default: undefined,
        choices: undefined,
        about: '',
      },
      ...{ minimum: undefined, maximum: undefined, minLength: undefined, maxLength: undefined },
      ...{ pattern: undefined, format: undefined, form: undefined },
    };
    assert.deepEqual(Object.fromEntries(parameters), {
      size: {
        ...blank,
        name: 'size',
        type: 'integer',
        required: false,
        minimum: 16,
        maximum: 32,
        default: '20',
        about: 'Of it.',
      },
      'net[n]': { ...blank, name: 'net[n]', required: false, form: 'parts: bridge, model' },
      mode: { ...blank, name: 'mode', choices: ['a', 'b'], pattern: '[ab]', minLength: 1, maxLength: 9 },
      boot: { ...blank, name: 'boot', format: 'pve-qm-boot', form: '[order=<device>] [,legacy=<x>]' },
      list: { ...blank, name: 'list', type: 'array', itemType: 'integer' },
      odd: { ...blank, name: 'odd' },
    });
  });

  const rights: readonly [object | undefined, string][] = [
    [{ check: ['perm', '/vms/{vmid}', ['VM.Audit']] }, 'VM.Audit on /vms/{vmid}'],
    [{ check: ['perm', '/', ['A', 'B'], 'any', 1] }, 'A or B on /'],
    [
      { check: ['and', ['perm', '/x', ['A', 'B']], ['or', ['perm', '/y', ['C']], ['userid-param', 'self']]] },
      'A and B on /x and (C on /y or the user themselves)',
    ],
    [{ user: 'all' }, 'any user'],
    [{ user: 'all', description: 'You need rights. Or not.' }, 'You need rights.'],
    [{ user: 'world' }, 'none'],
    [undefined, 'root@pam'],
  ];
  for (const [permissions, words] of rights)
    test(`privileges: ${words}`, async () => {
      const { privileges } = await only({ path: '/x', info: { GET: methodOf({ permissions }) } });
      assert.equal(privileges, words);
    });

  test('what no token may call says so', async () => {
    const { privileges } = await only({ path: '/x', info: { POST: methodOf({ allowtoken: 0 }) } });
    assert.equal(privileges, 'any user; not with an API token');
  });

  test('text is cleaned and cut', async () => {
    const { about } = await only({
      path: '/x',
      info: { GET: methodOf({ description: `\u001b[31mred\u202e ${'word '.repeat(100)}` }) },
    });
    assert.match(about, /^\\u\{1b\}\[31mred\\u\{202e\} word/);
    assert.ok(about.endsWith('…') && about.length < 230, about);
  });
});

describe('a file that is none', () => {
  const files: readonly [string, string][] = [
    ['empty', ''],
    ['a page that says there is nothing', '<html><body>404</body></html>'],
    ['without an end', 'const apiSchema = [ {"path": "/x"}'],
    ['cut in the midst', `${fileOf({ path: '/x', info: { GET: methodOf() } }).slice(0, 40)}\n]\n`],
    ['code instead of data', 'const apiSchema = [ process.exit(1)\n]\n;'],
    ['another value', 'const apiSchema = {\n]\n;'],
    ['nothing in it', 'const apiSchema = [\n]\n;'],
    ['without any endpoint', fileOf({ path: '/x' }, 5, null, 'text')],
    ['deep', `const apiSchema = ${'[{"path":"/x","children":'.repeat(100)}[]${'}]'.repeat(100)}\n]\n`],
    ['so deep that others fall over', `const apiSchema = ${'['.repeat(500_000)}\n]\n`],
    ['with too many nodes', fileOf(...Array.from({ length: 20_100 }, () => ({ path: '/x' })))],
  ];
  for (const [what, file] of files)
    test(`${what} is an answer that is not understood`, async () => {
      await assert.rejects(parseApiSchema(file), { code: 'UNEXPECTED_ANSWER' });
    });

  test('what cannot be read is left out, and the rest stays', async () => {
    const { template, parameters } = await only(
      { path: '/a/../b', info: { GET: methodOf() } },
      { path: 'no-slash', info: { GET: methodOf() } },
      { path: '/a/{b c}', info: { GET: methodOf() } },
      { path: '/c', info: { GET: 'text', PATCH: methodOf(), constructor: methodOf() } },
      {
        path: '/good',
        info: {
          GET: methodOf({
            parameters: { properties: { fine: { type: 'string' }, 'a\nb': { type: 'string' }, bad: 7 } },
          }),
        },
      },
    );
    assert.equal(template, '/good');
    assert.deepEqual([...parameters.keys()], ['fine']);
  });

  test('names that mean something to JavaScript mean nothing here', async () => {
    const properties = { fine: { type: 'string' }, PLACE: { type: 'string', evil: 1 } };
    const file = fileOf({ path: '/x', info: { GET: methodOf({ parameters: { properties } }) } });
    const [endpoint] = await parseApiSchema(file.replace('PLACE', '__proto__'));
    assert.deepEqual([...(endpoint?.parameters.keys() ?? [])], ['fine']);
    assert.equal(Object.hasOwn(Object.prototype, 'evil'), false);
  });
});
