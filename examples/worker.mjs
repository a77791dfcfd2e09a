// A worker in plain Node: serves the kind text.count, whose input is {"text": "..."}.
// Slow work is fine here: every lease is kept alive by a heartbeat until its job is done.
//
// Run: RAINCHECK_SERVER=http://127.0.0.1:8202 node worker.mjs
import { setTimeout as sleep } from "node:timers/promises";

const SERVER = process.env.RAINCHECK_SERVER ?? "http://127.0.0.1:8202";
const TOKEN = process.env.RAINCHECK_TOKEN;

async function count({ text }) {
  return { words: text.split(/\s+/).filter(Boolean).length, lines: text.split("\n").length };
}

async function post(path, body) {
  const headers = { "Content-Type": "application/json", ...(TOKEN && { Authorization: `Bearer ${TOKEN}` }) };
  const answer = await fetch(SERVER + path, { method: "POST", headers, body: JSON.stringify(body) });
  if (answer.status === 204) return { leases: [] };
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer.json();
}

async function run({ lease, job, heartbeat_seconds }) {
  const beat = () => post(`/leases/${lease}/heartbeat`, {}).catch((error) => console.error("heartbeat:", error.message));
  const beating = setInterval(beat, heartbeat_seconds * 1000);
  try {
    return { lease, complete: { result: await count(job.input) } };
  } catch (error) {
    return { lease, fail: { error: { title: error.name, detail: error.message }, retryable: false } };
  } finally {
    clearInterval(beating);
  }
}

let finish = []; // outcomes to report; they travel with the next request for work
for (;;) {
  try {
    const { leases } = await post("/leases", { worker: { name: "worker.mjs" }, kinds: ["text.count"], max: 8, wait: "20s", finish });
    finish = await Promise.all(leases.map(run));
  } catch (error) {
    console.error("no work:", error.message, error.cause?.code ?? ""); // try again, with the same outcomes
    await sleep(1000);
  }
}
