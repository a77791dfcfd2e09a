// Raincheck from Node, by the same HTTP client that drives Restate: so that a reader can tell what is the server's and
// what comes from the lean client of `raincheck bench`.

import { RESULT, run, until } from '../common/load.mjs';
import { Http } from '../common/http.mjs';

const WORKERS = 8;
const BATCH = 32;
// The callers' connections come first.
const FIRST_WORKER = 1000;

await run(async ({ port }, measure) => {
  const http = new Http(port);
  const submission = (input) => ({ kind: 'race', input });
  const queue = async () => JSON.parse(await http.send(999, 'GET', '/queues/default', undefined, 200));
  const lease = async (worker, body) => {
    const text = JSON.stringify({ worker: { name: `race-${worker}` }, kinds: ['race'], ...body });
    const answer = JSON.parse(await http.send(FIRST_WORKER + worker, 'POST', '/leases', text, 200));
    const refused = answer.finished?.find((finish) => finish.problem);
    if (refused) throw new Error(`a run could not be finished: ${JSON.stringify(refused)}`);
    return answer.leases;
  };
  const finish = (leases) => leases.map(({ lease }) => ({ lease, complete: { result: RESULT } }));
  let stopped = false;
  return {
    submit: (job, caller) => http.send(caller, 'POST', '/jobs', JSON.stringify(submission(job)), 202),
    bulk: (jobs, caller) =>
      http.send(caller, 'POST', '/jobs/batch', JSON.stringify({ jobs: jobs.map(submission) }), 202),
    waiting: async () => (await queue()).queued,
    async work(onJob) {
      if (measure === 'latency') {
        const serve = async () => {
          while (!stopped) {
            const leases = await lease(0, { max: 1, wait: '20s' });
            for (const { job } of leases) onJob(job.input);
            await lease(0, { max: 0, finish: finish(leases) });
          }
        };
        serve().catch((error) => stopped || console.error(error));
        return undefined;
      }
      const drains = Array.from({ length: WORKERS }, async (_, worker) => {
        let leases = await lease(worker, { max: BATCH, wait: '1s' });
        while (leases.length > 0) {
          for (const { job } of leases) onJob(job.input);
          leases = await lease(worker, { max: BATCH, finish: finish(leases) });
        }
      });
      return async () => {
        await Promise.all(drains);
        await until('no job runs', async () => (await queue()).running === 0);
      };
    },
    close() {
      stopped = true;
      http.close();
    },
  };
});
