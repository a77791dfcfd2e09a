// Keeps the page of one job live: one EventSource over the same numbered events everyone else reads.
const article = document.getElementById("job");
if (article && article.dataset.done !== "true") {
  const [state, message, bar, waiting, attempt] = ["state", "message", "progress", "waiting", "attempt"].map((id) =>
    document.getElementById(id)
  );
  let seq = Number(article.dataset.seq);
  let source, timer, pause;
  const show = (event) => {
    if (event.seq <= seq) return;
    seq = event.seq;
    state.textContent = event.state;
    state.className = "state " + event.state;
    attempt.textContent = event.attempt;
    waiting.textContent = "";
    if (event.state === "running") bar.hidden = false;
    const report = event.type === "progress" ? event.data : null;
    if (report && typeof report.percent === "number") bar.value = report.percent;
    if (report && report.message) message.textContent = report.message;
    // Result, error, log and what it waits for are the server's to render.
    if (event.state !== "running") location.reload();
  };
  const close = () => {
    clearTimeout(timer);
    source?.close();
  };
  const open = () => {
    source = new EventSource(article.dataset.id + "/events");
    source.onmessage = (message) => show(JSON.parse(message.data));
    source.onopen = () => (pause = 1000);
    // The job changed between this page and the stream: its own rendering is the truth.
    source.addEventListener("snapshot", (message) => {
      const job = JSON.parse(message.data);
      if (job.done || job.state !== state.textContent) location.reload();
    });
    // By itself it comes again only where no answer came: a proxy before a server that is away has one, and ends it.
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, pause * (0.5 + Math.random()));
      pause = Math.min(2 * pause, 30000);
    };
  };
  // A browser has six connections for all its tabs: one that nobody sees holds none.
  const look = () => {
    if (document.hidden) return close();
    pause = 1000;
    open();
  };
  document.addEventListener("visibilitychange", look);
  if (!document.hidden) look();
}
