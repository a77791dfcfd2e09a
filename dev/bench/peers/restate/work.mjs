// Restate: one-way calls over its HTTP ingress to a service of this process. Jobs that only wait are calls to an object
// whose keys are busy, so that nothing runs beside the submits; it takes them a little quicker than calls with a delay.
// A preloaded drain is calls that all become due at the same instant.

import http2 from 'node:http2';
import * as restate from '@restatedev/restate-sdk';
import { RESULT, run, until } from '../common/load.mjs';
import { Http } from '../common/http.mjs';

// As many as there are callers at most.
const KEYS = 64;

await run(async ({ port, admin, jobs }, measure) => {
  let onJob = () => {};
  const service = restate.service({
    name: 'race',
    handlers: {
      noop: async (_, job) => {
        onJob(job);
        return RESULT;
      },
    },
  });
  const busy = restate.object({ name: 'line', handlers: { noop: () => new Promise(() => {}) } });
  const server = http2.createServer(restate.createEndpointHandler({ services: [service, busy] }));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const manage = async (path, body) => {
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const answer = await fetch(`http://127.0.0.1:${admin}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path} was answered ${answer.status}: ${await answer.text()}`);
    return answer.json();
  };
  await manage('/deployments', { uri: `http://127.0.0.1:${server.address().port}`, force: true });
  const count = async (condition) => {
    const query = `select count(*) as n from sys_invocation where ${condition}`;
    return (await manage('/query', { query })).rows[0].n;
  };
  // A drain's jobs fall due together, when the last has surely been submitted.
  const due = Date.now() + 3000 + (jobs ?? 0) / 2;
  const path = {
    latency: () => '/race/noop/send',
    drain: () => `/race/noop/send?delay=${due - Date.now()}ms`,
  }[measure] ?? ((caller) => `/line/${caller}/noop/send`);
  const ingress = new Http(port);
  const submit = (job, caller) => ingress.send(caller, 'POST', path(caller), JSON.stringify(job), 202);
  if (measure === 'submit' || measure === 'memory') {
    for (let key = 0; key < KEYS; key++) await submit({}, key);
    await until('busy keys', async () => (await count("status = 'running'")) === KEYS);
  }
  return {
    submit,
    waiting: () => count("status in ('pending', 'scheduled')"),
    async prepare() {
      if (Date.now() > due) throw new Error('the jobs fell due before the last was submitted');
      return performance.now() + due - Date.now();
    },
    async work(listener) {
      onJob = listener;
      return (total) => until('completed invocations', async () => (await count("status = 'completed'")) === total);
    },
    close() {
      ingress.close();
      server.close();
    },
  };
});
