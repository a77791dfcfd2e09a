// Drives the page of examples/video-compression in the system's chromium: upload, live bar, reload, playback.
// Run: node video.mjs PAGE_URL CLIP
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const [page_url, clip] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000); // a busy machine encodes slowly
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));

  await page.goto(page_url);
  await page.setInputFiles("#file", clip);
  await page.waitForFunction(() => location.hash.length === 37);
  console.log("uploaded:", new URL(page.url()).hash);

  const percent = () => { const bar = document.querySelector("#bar"); return bar.hasAttribute("value") && bar.value > 0 && bar.value < 100; };
  await page.waitForFunction(() => document.querySelector("#state").textContent.startsWith("Encoding"));
  await page.waitForFunction(percent);
  console.log("live:", await page.textContent("#state"));

  await page.reload();
  await page.waitForFunction(() => document.querySelector("#state").textContent === "Done");
  const video = await page.waitForFunction(() => {
    const video = document.querySelector("#video");
    return video.readyState >= 2 && { width: video.videoWidth, seconds: video.duration };
  });
  const { width, seconds } = await video.jsonValue();
  assert.equal(width, 1280);
  assert.ok(Math.abs(seconds - 20) < 0.5, `20 s expected, ${seconds} s played`);
  await page.evaluate(() => document.querySelector("#video").play());
  await page.waitForFunction(() => document.querySelector("#video").currentTime > 0.2);
  assert.match(await page.getAttribute("#download", "download"), /\.mp4$/);
  assert.deepEqual(complaints, []);
  console.log(`played after a reload: ${width} pixels wide, ${seconds.toFixed(1)} s`);

  // Another site's page can't use this server to submit.
  const answer = await fetch(new URL("/api/clips", page_url), { method: "POST", body: "x", headers: { Origin: "http://evil.example" } });
  assert.equal(answer.status, 403);
  console.log("foreign origin: refused");
} finally {
  await browser.close();
}
