// Keeps the page of one job live: one EventSource over the same numbered events everyone else reads.
const article = document.getElementById("job");
if (article && article.dataset.done !== "true") {
  const state = document.getElementById("state");
  const message = document.getElementById("message");
  const bar = document.getElementById("progress");
  let seq = Number(article.dataset.seq);
  const show = (event) => {
    if (event.seq <= seq) return;
    seq = event.seq;
    state.textContent = event.state;
    state.className = "state " + event.state;
    if (event.state === "running") bar.hidden = false;
    const report = event.type === "progress" ? event.data : null;
    if (report && typeof report.percent === "number") bar.value = report.percent;
    if (report && report.message) message.textContent = report.message;
    // Result, error and log are the server's to render.
    if (["succeeded", "failed", "canceled", "retrying"].includes(event.type)) location.reload();
  };
  const source = new EventSource("/jobs/" + article.dataset.id + "/events");
  source.onmessage = (message) => show(JSON.parse(message.data));
  // The job changed between this page and the stream: its own rendering is the truth.
  source.addEventListener("snapshot", (message) => {
    const job = JSON.parse(message.data);
    if (job.done || job.state !== state.textContent) location.reload();
  });
}
