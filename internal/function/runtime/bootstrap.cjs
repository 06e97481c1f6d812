// Runs a JavaScript handler against the Lambda Runtime API.
'use strict';
const http = require('node:http');
const path = require('node:path');
const fs = require('node:fs');
const util = require('node:util');
const { pathToFileURL } = require('node:url');

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
let requestId = '';

function call(method, route, body, headers) {
  return new Promise((resolve, reject) => {
    const data = body === undefined ? undefined : Buffer.from(body);
    const request = http.request({
      host, port, agent, method, path: '/2018-06-01/runtime/' + route,
      headers: { ...headers, ...(data ? { 'Content-Length': data.length } : {}) },
    }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }));
    });
    request.on('error', reject);
    request.end(data);
  });
}

// One log event a call: the lines of it are parted by carriage returns.
for (const [name, level] of [['log', 'INFO'], ['info', 'INFO'], ['debug', 'DEBUG'], ['warn', 'WARN'], ['error', 'ERROR'], ['trace', 'TRACE']]) {
  console[name] = (...args) => {
    const text = util.format(...args).replace(/\n/g, '\r');
    process.stdout.write(`${new Date().toISOString()}\t${requestId || 'undefined'}\t${level}\t${text}\n`);
  };
}

function describe(error) {
  if (!(error instanceof Error)) {
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  }
  return { errorType: error.runtimeType || error.name, errorMessage: error.message, trace: (error.stack || '').split('\n') };
}

async function fail(route, error, title) {
  const payload = describe(error);
  console.error(title + '\t' + JSON.stringify({ errorType: payload.errorType, errorMessage: payload.errorMessage, stack: payload.trace }));
  mark();
  await call('POST', route, JSON.stringify(payload), {
    'Content-Type': 'application/json', 'Lambda-Runtime-Function-Error-Type': payload.errorType,
  });
}

// Tells the reader of our output that all of this call's lines have come.
function mark() {
  process.stdout.write('\x1e' + requestId + '\n');
  process.stderr.write('\x1e' + requestId + '\n');
}

function typed(type, message) {
  const error = new Error(message);
  error.runtimeType = type;
  return error;
}

async function load(handler) {
  const base = path.basename(handler);
  const dot = base.indexOf('.');
  if (dot < 1) {
    throw typed('Runtime.MalformedHandlerName', 'Bad handler');
  }
  const file = path.join(process.env.LAMBDA_TASK_ROOT, handler.slice(0, handler.length - base.length), base.slice(0, dot));
  const found = ['', '.js', '.mjs', '.cjs'].map((end) => file + end).find((f) => fs.existsSync(f) && fs.statSync(f).isFile());
  if (!found) {
    throw typed('Runtime.ImportModuleError', `Error: Cannot find module '${base.slice(0, dot)}'`);
  }
  let value;
  try {
    value = await import(pathToFileURL(found).href);
  } catch (error) {
    throw error instanceof SyntaxError ? typed('Runtime.UserCodeSyntaxError', String(error)) : error;
  }
  for (const name of base.slice(dot + 1).split('.')) {
    value = value[name] ?? (value.default && value.default[name]);
    if (value === undefined) {
      throw typed('Runtime.HandlerNotFound', `${handler} is undefined or not exported`);
    }
  }
  return value;
}

function context(headers, done) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const env = process.env;
  return {
    awsRequestId: requestId,
    callbackWaitsForEmptyEventLoop: true,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    clientContext: headers['lambda-runtime-client-context'] ? JSON.parse(headers['lambda-runtime-client-context']) : undefined,
    getRemainingTimeInMillis: () => Math.max(deadline - Date.now(), 0),
    done: (error, value) => done(error, value),
    succeed: (value) => done(null, value),
    fail: (error) => done(error),
  };
}

function run(handler, event, headers) {
  return new Promise((resolve, reject) => {
    const done = (error, value) => (error ? reject(error) : resolve(value));
    const answer = handler(event, context(headers, done), done);
    if (answer && typeof answer.then === 'function') {
      answer.then(resolve, reject);
    } else if (handler.length < 3 && answer !== undefined) {
      resolve(answer);
    } else if (handler.length < 2) {
      resolve(answer);
    }
  });
}

async function main() {
  process.chdir(process.env.LAMBDA_TASK_ROOT);
  let handler;
  try {
    handler = await load(process.env._HANDLER);
  } catch (error) {
    await fail('init/error', error, 'Uncaught Exception');
    process.exit(1);
  }
  for (;;) {
    const next = await call('GET', 'invocation/next');
    if (next.status !== 200) {
      process.exit(1);
    }
    requestId = next.headers['lambda-runtime-aws-request-id'];
    process.env._X_AMZN_TRACE_ID = next.headers['lambda-runtime-trace-id'] || '';
    const route = `invocation/${requestId}/`;
    let answer;
    try {
      answer = JSON.stringify(await run(handler, JSON.parse(next.body.toString()), next.headers));
    } catch (error) {
      await fail(route + 'error', error, 'Invoke Error');
      continue;
    }
    mark();
    await call('POST', route + 'response', answer === undefined ? 'null' : answer, { 'Content-Type': 'application/json' });
  }
}

main().catch((error) => {
  process.stderr.write(String(error && error.stack || error) + '\n');
  process.exit(1);
});
