// The load that every Node peer is driven by, so that all are asked the same and counted alike. A peer's script gives
// its own calls to `run`; each measure ends with the peer's own count, and a figure whose count is wrong is void.

import { setTimeout as sleep } from 'node:timers/promises';

/** A job: 200 bytes of JSON that name their number. */
export function job(n) {
  const job = { n, text: '' };
  job.text = 'x'.repeat(200 - JSON.stringify(job).length);
  return job;
}

/** The number of a job as it came out again; throws if it is not what went in. */
export function number(job) {
  if (typeof job?.text !== 'string' || JSON.stringify(job).length !== 200) throw new Error('a job came out changed');
  return job.n;
}

/** What a no-op job results in, where results are kept. */
export const RESULT = { ok: true };

/** Marks numbers and counts each once. */
export class Seen {
  constructor(total) {
    this.marks = new Uint8Array(total);
    this.count = 0;
    this.all = new Promise((resolve) => (this.resolve = resolve));
  }

  add(n) {
    if (!(n >= 0 && n < this.marks.length)) throw new Error(`job ${n} was never submitted`);
    if (this.marks[n]) return;
    this.marks[n] = 1;
    if (++this.count === this.marks.length) this.resolve();
  }
}

/** Voids the measure unless the peer has what was asked for. */
export function same(what, found, expected) {
  if (Number(found) !== Number(expected)) throw new Error(`${what}: ${found} instead of ${expected}`);
}

/** Waits until `probe` is true. */
export async function until(what, probe, seconds = 60) {
  const end = performance.now() + seconds * 1000;
  while (!(await probe())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await sleep(1);
  }
}

/** `promise`, or an error after a while: a lost job must not hang the race. */
export function within(what, promise, seconds = 120) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function quantile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

function spread(times) {
  times.sort((a, b) => a - b);
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

/** `callers` call `once(number, caller)` again and again. The first tenth warms up and is not counted. */
async function load({ callers, seconds }, once) {
  const begin = performance.now();
  const [from, end] = [begin + seconds * 100, begin + seconds * 1100];
  const times = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (;;) {
        const sent = performance.now();
        if (sent >= end) return;
        await once(next++, caller);
        const now = performance.now();
        if (now >= from && now < end) times.push(now - sent);
      }
    }),
  );
  if (times.length === 0) throw new Error('no call was answered within the measure');
  return { rate: times.length / seconds, ...spread(times), acknowledged: next };
}

/** Adds jobs from number `next` up to `jobs` in calls of `batch`, for at most `seconds`; up to where it came. */
async function fill(once, jobs, { batch, callers = 4, seconds = Infinity, next = 0 }) {
  const end = performance.now() + seconds * 1000;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      while (next < jobs && performance.now() < end) {
        const first = next;
        const count = Math.min(batch, jobs - first);
        next += count;
        await once(first, count, caller);
      }
    }),
  );
  return next;
}

const range = (first, count) => Array.from({ length: count }, (_, index) => job(first + index));

/**
 * Runs the measure that the command line names and prints what came of it as one line of JSON. A peer is an object of
 * - submit(job, caller): resolves when the peer has acknowledged it;
 * - bulk(jobs, caller): the same for many; left out where the peer has no such call;
 * - waiting(): how many jobs wait, by the peer's own count;
 * - work(onJob): starts its workers; onJob(job) is called where a job runs, and the result of a job is RESULT;
 *   resolves to `done(total)`, which resolves when the peer has recorded the end of that many jobs;
 * - close(): lets go of its connections.
 */
export async function run(open) {
  const [measure, text] = process.argv.slice(2);
  const options = JSON.parse(text);
  const measures = { submit, bulk, drain, latency, memory };
  try {
    const peer = await open(options, measure);
    const figures = await measures[measure](peer, options);
    await peer.close?.();
    console.log(JSON.stringify(figures));
    process.exit(0);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}

async function submit(peer, { callers, seconds }) {
  const figures = await load({ callers, seconds }, (n, caller) => peer.submit(job(n), caller));
  same('waiting jobs after the submits', await peer.waiting(), figures.acknowledged);
  return figures;
}

async function bulk(peer, { seconds }) {
  if (!peer.bulk) return { none: true };
  const [once, how] = filler(peer);
  // The first calls warm up.
  const warm = await fill(once, 4000, how);
  const begin = performance.now();
  const acknowledged = await fill(once, Infinity, { ...how, seconds, next: warm });
  const took = (performance.now() - begin) / 1000;
  same('waiting jobs after the bulk submits', await peer.waiting(), acknowledged);
  return { rate: (acknowledged - warm) / took, acknowledged };
}

function filler(peer) {
  if (!peer.bulk) return [(first, _, caller) => peer.submit(job(first), caller), { batch: 1, callers: 64 }];
  return [(first, count, caller) => peer.bulk(range(first, count), caller), { batch: 1000 }];
}

async function drain(peer, { jobs }) {
  const [once, how] = filler(peer);
  await fill(once, jobs, how);
  same('preloaded jobs', await peer.waiting(), jobs);
  const seen = new Seen(jobs);
  const ready = peer.prepare ? await peer.prepare() : undefined;
  const begin = ready ?? performance.now();
  const done = await peer.work((job) => seen.add(number(job)));
  await within('every job runs', seen.all);
  await within('every job is done', done(jobs));
  const seconds = (performance.now() - begin) / 1000;
  same('jobs that wait after the drain', await peer.waiting(), 0);
  return { rate: jobs / seconds, jobs };
}

async function latency(peer, { seconds }) {
  let started;
  await peer.work(() => started(performance.now()));
  await sleep(300);
  const times = [];
  const end = performance.now() + seconds * 1000;
  for (let n = 0; times.length < 20 || performance.now() < end; n++) {
    const start = new Promise((resolve) => (started = resolve));
    // So that the system is idle again.
    await sleep(5);
    const begin = performance.now();
    const [at] = await within('a job starts', Promise.all([start, peer.submit(job(n), 0)]), 30);
    // The first ones warm up.
    if (n >= 10) times.push(at - begin);
  }
  return { ...spread(times), jobs: times.length };
}

async function memory(peer, { jobs, seconds }) {
  const [once, how] = filler(peer);
  const filled = await fill(once, jobs, { ...how, seconds });
  same('waiting jobs', await peer.waiting(), filled);
  return { jobs: filled };
}
