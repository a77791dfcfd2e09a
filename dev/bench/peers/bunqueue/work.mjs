// bunqueue: its own client over TCP, on Bun. `durable` is its word for "in SQLite before the answer".

import { Queue, Worker } from 'bunqueue/client';
import { RESULT, run, until } from '../common/load.mjs';

const CONCURRENCY = 100;

await run(async ({ port, variant }) => {
  const connection = { host: '127.0.0.1', port, poolSize: 4 };
  const options = variant === 'durable' ? { durable: true } : {};
  const queue = new Queue('race', { connection });
  let worker;
  return {
    submit: (job) => queue.add('noop', job, options),
    bulk: (jobs) => queue.addBulk(jobs.map((data) => ({ name: 'noop', data, opts: options }))),
    waiting: () => queue.getWaitingCount(),
    async work(onJob) {
      let completed = 0;
      worker = new Worker(
        'race',
        async (job) => {
          onJob(job.data);
          return RESULT;
        },
        { connection, concurrency: CONCURRENCY, batchSize: CONCURRENCY, pollTimeout: 1000 },
      );
      worker.on('completed', () => completed++);
      worker.on('error', (error) => console.error(error));
      return (total) => until('completed events', () => completed === total);
    },
    async close() {
      await worker?.close(true);
      queue.close();
    },
  };
});
