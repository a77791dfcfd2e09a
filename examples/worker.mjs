// A worker in plain Node: serves the kind text.count. Its input is a text, or JSON: {"text": "...", "seconds": 0}.
//
// Run: RAINCHECK_SERVER=http://127.0.0.1:8202 node worker.mjs
import { setTimeout as sleep } from "node:timers/promises";

const SERVER = process.env.RAINCHECK_SERVER ?? "http://127.0.0.1:8202";
const TOKEN = process.env.RAINCHECK_TOKEN;
const AT_ONCE = 4;

// The work. `seconds` makes it slow; slow work stops when `signal` says that it is no longer wanted.
async function count({ text, seconds = 0 }, signal) {
  await sleep(seconds * 1000, undefined, { signal });
  return { words: text.split(/\s+/).filter(Boolean).length, lines: text.match(/.*\n|.+$/g)?.length ?? 0 };
}

async function call(path, body) {
  const headers = { "Content-Type": "application/json", ...(TOKEN && { Authorization: `Bearer ${TOKEN}` }) };
  const options = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
  const answer = await fetch(SERVER + path, options);
  if (answer.status === 204) return {};
  if (!answer.ok) throw Object.assign(new Error(`${answer.status} ${await answer.text()}`), { status: answer.status });
  return answer.headers.get("Content-Type")?.includes("json") ? answer.json() : { text: await answer.text() };
}

async function run({ lease, job, heartbeat_seconds }) {
  const stop = new AbortController();
  let lost = false; // 409 lease-lost: the job is no longer ours, and nobody wants to hear of it
  const beating = setInterval(async () => {
    try {
      if ((await call(`/leases/${lease}/heartbeat`, {})).cancel_requested) stop.abort();
    } catch (error) {
      console.error("heartbeat:", error.message);
      if (error.status === 409) lost = true, stop.abort();
    }
  }, heartbeat_seconds * 1000);
  try { // an input that is large or not JSON has to be fetched
    const input = job.input_href ? await call(`/leases/${lease}/input`) : job.input;
    return [{ lease, complete: { result: await count(input, stop.signal) } }];
  } catch (error) {
    const failure = { title: error.name, detail: error.message };
    return lost ? [] : [{ lease, fail: { error: failure, retryable: error.status >= 500 } }];
  } finally {
    clearInterval(beating);
  }
}

async function work(name) {
  let finish = []; // outcomes to report; they travel with the next request for work
  for (;;) {
    try {
      const ask = { worker: { name }, kinds: ["text.count"], max: 1, ttl: "10s", wait: "20s", finish };
      const { leases = [], finished = [] } = await call("/leases", ask);
      for (const { problem } of finished) if (problem) console.error("not taken:", JSON.stringify(problem));
      finish = (await Promise.all(leases.map(run))).flat();
    } catch (error) { // tell it again, but for what the server will never take
      console.error("no work:", error.message, error.cause?.code ?? "");
      if (error.status < 500) finish = [];
      await sleep(1000);
    }
  }
}

for (let number = 1; number <= AT_ONCE; number++) work(`worker.mjs-${number}`);
