/** Verifies the parameters of a request against those of the endpoint, with the node's own complaints. */
import { badParameters } from './api-error.ts';
import type { Parameter, Parameters } from './endpoint.ts';
import { formats } from './formats.ts';
import type { Value } from './values.ts';

/** The parameter of that name, `net0` being one of `net[n]`. */
export function parameterNamed(parameters: Parameters, name: string): Parameter | undefined {
  if (Object.hasOwn(parameters, name)) return parameters[name];
  const family = /^([a-z]+)\d{1,3}$/.exec(name)?.[1];
  return family === undefined ? undefined : parameters[`${family}[n]`];
}

/** The values by name, booleans as 0 and 1. Throws ApiError 400 with everything that is wrong. */
export function verify(parameters: Parameters, given: ReadonlyMap<string, Value>): Map<string, Value> {
  const errors: Record<string, string> = {};
  const verified = new Map<string, Value>();
  for (const [name, value] of given) {
    const parameter = parameterNamed(parameters, name);
    if (parameter === undefined)
      errors[name] = 'property is not defined in schema and the schema does not allow additional properties';
    else {
      const problem = problemOf(parameter, value);
      if (problem === undefined) verified.set(name, normal(parameter, value));
      else errors[name] = problem;
    }
  }
  for (const [name, { optional }] of Object.entries(parameters))
    if (optional !== true && !name.includes('[') && !given.has(name))
      errors[name] = 'property is missing and it is not optional';
  if (Object.keys(errors).length > 0) throw badParameters(errors);
  return verified;
}

const truths = /^(1|on|yes|true)$/i;
const falsehoods = /^(0|off|no|false)$/i;

function normal({ type }: Parameter, value: Value): Value {
  if (type === 'array') return typeof value === 'string' ? [value] : value;
  if (typeof value !== 'string') return value.at(-1) ?? '';
  return type === 'boolean' ? (truths.test(value) ? '1' : '0') : value;
}

function problemOf(parameter: Parameter, value: Value): string | undefined {
  if (parameter.type === 'array')
    return [value]
      .flat()
      .map((item) => problemOfText({ ...parameter, type: 'string' }, item))
      .find((problem) => problem !== undefined);
  if (typeof value !== 'string') return `type check ('${parameter.type}') failed - got ARRAY`;
  return problemOfText(parameter, value);
}

function problemOfText(parameter: Parameter, value: string): string | undefined {
  const { type, pattern, minLength, maxLength } = parameter;
  if (!hasType(type, value)) return `type check ('${type}') failed - got '${value}'`;
  if (parameter.format !== undefined) {
    const problem = formats[parameter.format](value);
    if (problem !== undefined) return `invalid format - ${problem}\n`;
  }
  if (pattern !== undefined && !pattern.test(value)) return 'value does not match the regex pattern';
  if (parameter.enum?.includes(value) === false)
    return `value '${value}' does not have a value in the enumeration '${parameter.enum.join(', ')}'`;
  if (minLength !== undefined && value.length < minLength)
    return `value must be at least ${minLength} characters long`;
  if (maxLength !== undefined && value.length > maxLength)
    return `value may only be ${maxLength} characters long`;
  return type === 'string' ? undefined : outOfRange(parameter, Number(value));
}

function hasType(type: Parameter['type'], value: string): boolean {
  switch (type) {
    case 'integer':
      return /^[+-]?\d+$/.test(value);
    case 'number':
      return /^[+-]?\d+(\.\d+)?$/.test(value);
    case 'boolean':
      return truths.test(value) || falsehoods.test(value);
    case 'string':
    case 'array':
      return true;
  }
}

function outOfRange({ minimum, maximum }: Parameter, value: number): string | undefined {
  if (minimum !== undefined && value < minimum) return `value must have a minimum value of ${minimum}`;
  if (maximum !== undefined && value > maximum) return `value must have a maximum value of ${maximum}`;
  return undefined;
}
