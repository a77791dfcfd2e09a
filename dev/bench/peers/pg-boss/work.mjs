// pg-boss: single sends, `insert` of 1,000, and workers that fetch, run and complete in batches.

import { PgBoss } from 'pg-boss';
import pg from 'pg';
import { RESULT, run } from '../common/load.mjs';

const QUEUE = 'race';
const BATCH = 1000;
const FETCHERS = 4;

await run(async ({ url, callers = 4 }, measure) => {
  const boss = new PgBoss({ connectionString: url, max: Math.min(Math.max(callers, 8), 20), useListenNotify: true });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  // Wakes its workers at once, where they would otherwise poll twice a second at best.
  await boss.createQueue(QUEUE, { notify: measure === 'latency' });
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  const count = async (state) => {
    const { rows } = await pool.query('select count(*) from pgboss.job where name = $1 and state = $2', [QUEUE, state]);
    return Number(rows[0].count);
  };
  return {
    async submit(job) {
      if (!(await boss.send(QUEUE, job))) throw new Error('pg-boss refused a job');
    },
    bulk: (jobs) => boss.insert(QUEUE, jobs.map((data) => ({ data }))),
    waiting: () => count('created'),
    async work(onJob) {
      if (measure === 'latency') {
        await boss.work(QUEUE, { pollingIntervalSeconds: 0.5 }, async ([job]) => {
          onJob(job.data);
          return RESULT;
        });
        return undefined;
      }
      const fetchers = Array.from({ length: FETCHERS }, async () => {
        for (;;) {
          const jobs = await boss.fetch(QUEUE, { batchSize: BATCH });
          if (jobs.length === 0) return;
          for (const job of jobs) onJob(job.data);
          await boss.complete(QUEUE, jobs.map((job) => job.id), RESULT);
        }
      });
      return async (total) => {
        await Promise.all(fetchers);
        const completed = await count('completed');
        if (completed !== total) throw new Error(`${completed} of ${total} jobs are completed`);
      };
    },
    async close() {
      await boss.stop({ graceful: false });
      await pool.end();
    },
  };
});
