// A worker in plain Node: serves the kind text.count. Its input is a text, or JSON: {"text": "...", "seconds": 0}.
// Run: RAINCHECK_SERVER=http://127.0.0.1:8202 node worker.mjs
import { setTimeout as sleep } from "node:timers/promises";
const { RAINCHECK_SERVER: SERVER = "http://127.0.0.1:8202", RAINCHECK_TOKEN: TOKEN } = process.env;

// The work. `seconds` makes it slow; slow work stops when `signal` says that it is no longer wanted.
async function count({ text, seconds = 0 }, signal) {
  await sleep(seconds * 1000, undefined, { signal });
  return { words: text.split(/\s+/).filter(Boolean).length, lines: text.match(/.*\n|.+$/g)?.length ?? 0 };
}

async function call(path, body) {
  const headers = { "Content-Type": "application/json", ...(TOKEN && { Authorization: `Bearer ${TOKEN}` }) };
  const answer = await fetch(SERVER + path, { headers, ...(body && { method: "POST", body: JSON.stringify(body) }) });
  if (!answer.ok) throw Object.assign(new Error(`${answer.status} ${await answer.text()}`), { status: answer.status });
  if (answer.status === 204) return {};
  return answer.headers.get("Content-Type")?.includes("json") ? answer.json() : { text: await answer.text() };
}

async function run({ lease, job, heartbeat_seconds }) {
  const stop = new AbortController();
  const beating = setInterval(() => call(`/leases/${lease}/heartbeat`, {}).then(
    (answer) => answer.cancel_requested && stop.abort(),
    (error) => { // 409 lease-lost: the job is no longer ours
      console.error("heartbeat:", error.message);
      if (error.status === 409) stop.abort();
    }), heartbeat_seconds * 1000);
  try { // an input that is large or not JSON has to be fetched
    const input = job.input_href ? await call(`/leases/${lease}/input`) : job.input;
    return { lease, complete: { result: await count(input, stop.signal) } };
  } catch (error) { // the same again may go well where the server was away
    const retryable = error.status >= 500 || ["fetch failed", "terminated"].includes(error.message);
    return { lease, fail: { error: { title: error.name, detail: error.message }, retryable } };
  } finally { clearInterval(beating); }
}

async function work(name) {
  for (let finish = []; ;) { // outcomes to report; they travel with the next request for work
    try {
      const ask = { worker: { name }, kinds: ["text.count"], max: 1, ttl: "10s", wait: "20s", finish };
      const { leases = [], finished = [], drain } = await call("/leases", ask);
      for (const { problem } of finished) if (problem) console.error("not taken:", JSON.stringify(problem));
      finish = await Promise.all(leases.map(run));
      if (drain && !finish.length) await sleep(2000); // it is about to stop: another one, or its next start
    } catch (error) { // told again, but for what the server will never take
      console.error("no work:", error.message, error.cause?.code ?? "");
      if (error.status < 500) finish = [];
      await sleep(1000);
    }
  }
}
for (let number = 1; number <= 4; number++) work(`worker.mjs-${number}`);
