// Uploads a clip, follows its job by server-sent events and plays the result.
// The job's id stands in the page's address, so a reload finds it again.

const $ = (id) => document.getElementById(id);
let events = null;
let again = null; // timer of the next look, while the server is away
let following = false;
let uploaded = null; // bytes of the clip, known only to the page that sent it

function show(state, percent) {
  $("job").hidden = false;
  $("state").textContent = state;
  if (percent == null) $("bar").removeAttribute("value"); // moves to and fro
  else $("bar").value = percent;
}

function upload(file) {
  uploaded = file.size;
  $("name").textContent = file.name;
  $("result").hidden = true;
  $("form").hidden = true;
  $("cancel").onclick = () => request.abort();

  const label = file.name.replace(/[^\w.-]/g, "_").slice(-100);
  const request = new XMLHttpRequest(); // fetch can't tell how much it has sent
  request.upload.onprogress = ({ loaded, total }) => show(`Uploading, ${size(loaded)} of ${size(total)}`, (loaded / total) * 100);
  request.onload = () => {
    if (request.status >= 300) return end(`Refused: ${why(request.responseText)}`);
    location.hash = JSON.parse(request.responseText).id;
  };
  request.onerror = () => end("The upload was cut off. Try again.");
  request.onabort = () => end("Upload stopped.");
  request.open("POST", `/api/clips?label=${label}`);
  request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
  request.send(file);
}

function follow(id) {
  following = true;
  $("form").hidden = true;
  $("result").hidden = true;
  $("cancel").hidden = false;
  $("cancel").onclick = () => fetch(`/api/jobs/${id}/cancel`, { method: "POST" });
  show("Looking for the job", null);

  events = new EventSource(`/api/jobs/${id}/events`);
  // First a snapshot of the job, then its events; after a lost connection the browser resumes by itself.
  for (const name of ["snapshot", "reset"]) {
    events.addEventListener(name, ({ data }) => {
      const job = JSON.parse(data);
      $("name").textContent = job.label ?? "Clip";
      update(id, job.state, job.progress);
    });
  }
  events.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    update(id, event.state, event.type === "progress" ? event.data : null);
  };
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) finished(id);
    else show("Connection lost, trying again", null);
  };
}

function update(id, state, progress) {
  const words = { scheduled: "Waiting to try again", queued: "Waiting for its turn", blocked: "Waiting for its turn", running: "Encoding" };
  if (!words[state]) return finished(id);
  const percent = progress?.percent;
  show(percent == null ? (progress?.message ?? words[state]) : `${words[state]}, ${Math.round(percent)} %`, percent);
}

async function finished(id, pause = 1000) {
  events.close();
  const answer = await fetch(`/api/jobs/${id}`).catch(() => null);
  if (answer?.status === 404 || answer?.status === 410) return end("This job is gone.");
  if (!answer?.ok) {
    show("The server is away, trying again", null);
    again = setTimeout(finished, pause, id, Math.min(2 * pause, 30000));
    return;
  }
  const job = await answer.json();
  if (!job.done) return (again = setTimeout(follow, 1000, id));
  $("name").textContent = job.label ?? "Clip";
  if (job.state === "canceled") return end("Canceled.");
  if (job.state === "failed") return end(`Failed: ${job.error?.detail ?? job.error?.title ?? "no reason given"}`);

  end("Done", 100);
  $("video").src = $("download").href = `/api/jobs/${id}/result`;
  $("download").download = job.result.filename ?? "result.mp4";
  $("sizes").textContent = uploaded ? `${size(uploaded)} before, ${size(job.result.size)} after.` : `${size(job.result.size)}.`;
  $("result").hidden = false;
}

function end(words, percent = 0) {
  following = false;
  show(words, percent);
  $("cancel").hidden = true;
  $("form").hidden = false;
  $("file").value = "";
}

const why = (text) => { try { const problem = JSON.parse(text); return problem.detail ?? problem.title; } catch { return text; } };
const size = (bytes) => (bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

function close() {
  clearTimeout(again);
  events?.close();
}

function open() {
  close();
  const id = location.hash.slice(1);
  if (/^[0-9a-f-]{36}$/.test(id)) follow(id);
}

$("file").onchange = () => $("file").files[0] && upload($("file").files[0]);
$("drop").ondragover = (event) => event.preventDefault();
$("drop").ondrop = (event) => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) upload(event.dataTransfer.files[0]);
};
addEventListener("hashchange", open);
// A browser has six connections for all its tabs: one that nobody sees holds none.
document.addEventListener("visibilitychange", () => following && (document.hidden ? close() : open()));
open();
