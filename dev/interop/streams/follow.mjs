// Follows a job's events and the whole feed with EventSource, as two packages have it, and with ws, across every break.
//
// follow.mjs SERVER PATH: says `begun`, `started` when all have heard of that, then what each was given.
import polyfill from "event-source-polyfill";
import { EventSource } from "eventsource";
import WebSocket from "ws";

const [server, path] = process.argv.slice(2);
const polyfilled = polyfill.EventSourcePolyfill;
const FINAL = ["succeeded", "failed", "canceled"];

class Follower {
  constructor(client, isFeed) {
    this.name = `${client}, ${isFeed ? "feed" : "job"}`;
    Object.assign(this, { isFeed, events: [], named: [], breaks: 0 });
    this.begun = new Promise((resolve) => (this.begin = resolve));
    this.started = new Promise((resolve) => (this.start = resolve));
    this.over = new Promise((resolve) => (this.end = resolve));
  }

  // One event without a name; whether it is the last.
  heard(data) {
    const event = JSON.parse(data);
    this.events.push([event.job, event.seq]);
    if (event.type === "started") this.start();
    return this.isFeed ? event.kind === "last" : FINAL.includes(event.type);
  }

  result() {
    return [this.name, this.isFeed, this.events, this.named, this.breaks];
  }
}

// A job's stream ends by itself: behind the last event the server answers 204, and the client stays away. The polyfill cannot take an
// answer without a body: it comes again for ever unless it is closed.
function byEventSource(client, Source, url, isFeed) {
  const isToClose = isFeed || Source === polyfilled;
  const follower = new Follower(client, isFeed);
  const source = new Source(url);
  let isOver = false;
  source.onmessage = ({ data }) => {
    isOver = follower.heard(data);
    if (isOver && isToClose) {
      source.close();
      follower.end();
    }
  };
  for (const name of ["snapshot", "reset", "place", "position"]) {
    source.addEventListener(name, ({ data }) => {
      JSON.parse(data);
      follower.named.push(name);
      follower.begin();
    });
  }
  source.onerror = () => {
    if (!isOver) follower.breaks += 1;
    if (source.readyState === Source.CLOSED) follower.end();
  };
  return follower;
}

function byWs(url, isFeed) {
  const follower = new Follower("ws", isFeed);
  let after = "";
  const open = () => {
    const socket = new WebSocket(url.replace("http://", "ws://") + after, "raincheck.v1");
    let isOver = false;
    socket.on("open", () => isFeed && follower.begin());
    socket.on("message", (message) => {
      const said = JSON.parse(message);
      after = `?after=${isFeed ? said.cursor : said.seq}`;
      follower.begin();
      if (said.job) isOver = follower.heard(message);
      else follower.named.push(said.type);
      if (isOver && isFeed) socket.close(4000, "enough");
    });
    // Told by `close`, too.
    socket.on("error", () => {});
    socket.on("close", (code) => {
      if (isOver) {
        if (code !== (isFeed ? 4000 : 1000)) throw new Error(`${follower.name} was closed with ${code}`);
        return follower.end();
      }
      follower.breaks += 1;
      setTimeout(open, 500);
    });
  };
  open();
  return follower;
}

const followers = [
  [path, false],
  ["/events", true],
].flatMap(([path, isFeed]) => [
  byEventSource("eventsource", EventSource, server + path, isFeed),
  byEventSource("event-source-polyfill", polyfilled, server + path, isFeed),
  byWs(server + path, isFeed),
]);
// The polyfill tells of every break here.
console.error = () => {};
// Nobody is left who would hear it.
process.stdin.on("end", () => process.exit(1)).resume();
await Promise.all(followers.map(({ begun }) => begun));
console.log("begun");
await Promise.all(followers.map(({ started }) => started));
console.log("started");
await Promise.all(followers.map(({ over }) => over));
console.log(JSON.stringify(followers.map((follower) => follower.result())));
process.exit(0);
