// graphile-worker: plain, or with the batches and the local queue that its page on performance gives.

import { makeWorkerUtils, run as runWorker, Logger } from 'graphile-worker';
import pg from 'pg';
import { run, until } from '../common/load.mjs';

const quiet = new Logger(() => (level, message) => {
  if (level === 'error') console.error(message);
});

const PLAIN = { concurrentJobs: 10 };
const TUNED = { concurrentJobs: 24, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

await run(async ({ url, variant, callers = 4 }) => {
  const settings = variant === 'tuned' ? TUNED : PLAIN;
  const pool = new pg.Pool({ connectionString: url, max: Math.min(Math.max(callers, settings.concurrentJobs + 2), 64) });
  const utils = await makeWorkerUtils({ pgPool: pool, logger: quiet });
  await utils.migrate();
  const waiting = async () => {
    const { rows } = await pool.query('select count(*) from graphile_worker.jobs where locked_at is null');
    return Number(rows[0].count);
  };
  let runner;
  return {
    submit: (job) => utils.addJob('noop', job),
    bulk: (jobs) => utils.addJobs(jobs.map((payload) => ({ identifier: 'noop', payload }))),
    waiting,
    async work(onJob) {
      runner = await runWorker({
        pgPool: pool,
        logger: quiet,
        noHandleSignals: true,
        taskList: { noop: async (payload) => onJob(payload) },
        preset: { worker: settings },
      });
      // A job that is done leaves no row.
      return () =>
        until('rows of done jobs are gone', async () => {
          const { rows } = await pool.query('select 1 from graphile_worker.jobs limit 1');
          return rows.length === 0;
        });
    },
    async close() {
      await runner?.stop();
      await utils.release();
      await pool.end();
    },
  };
});
