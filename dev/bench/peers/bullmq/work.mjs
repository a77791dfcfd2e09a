// BullMQ: a queue and one worker process, as its documentation has them.

import { Queue, Worker } from 'bullmq';
import { RESULT, run, until } from '../common/load.mjs';

// BullMQ's guide on concurrency asks for many at once where jobs wait and do not compute.
const CONCURRENCY = 100;

await run(async ({ port }) => {
  const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
  const queue = new Queue('race', { connection });
  await queue.waitUntilReady();
  let worker;
  return {
    submit: (job) => queue.add('noop', job),
    bulk: (jobs) => queue.addBulk(jobs.map((data) => ({ name: 'noop', data }))),
    waiting: () => queue.getWaitingCount(),
    async work(onJob) {
      let completed = 0;
      worker = new Worker(
        'race',
        async (job) => {
          onJob(job.data);
          return RESULT;
        },
        { connection, concurrency: CONCURRENCY },
      );
      worker.on('completed', () => completed++);
      await worker.waitUntilReady();
      return async (total) => {
        await until('completed events', () => completed === total);
        await until('completed jobs kept', async () => (await queue.getCompletedCount()) === total);
      };
    },
    async close() {
      await worker?.close(true);
      await queue.close();
    },
  };
});
