// Bytes through the client that @hey-api/openapi-ts makes of the document: submitted, worked on, read.
import { client } from "./client/client.gen";
import { complete, getEvents, getLeaseInput, getResult, lease, submitBytes } from "./client";

const check = (is: boolean, what: string): void => {
  if (!is) throw new Error(what);
};

const main = async (url: string): Promise<void> => {
  client.setConfig({ baseUrl: url, throwOnError: true });
  // Every byte there is, and many that are no text.
  const sent = new Uint8Array(100_256);
  crypto.getRandomValues(sent.subarray(0, 50_000));
  for (let byte = 0; byte < 256; byte += 1) sent[50_000 + byte] = byte;
  const same = async (got: unknown, what: string): Promise<Blob> => {
    check(got instanceof Blob, what + " is no Blob");
    const bytes = new Uint8Array(await (got as Blob).arrayBuffer());
    check(bytes.length === sent.length && bytes.every((byte, n) => byte === sent[n]), what + " has other bytes");
    return got as Blob;
  };

  const job = (await submitBytes({ path: { kind: "bytes.ts" }, query: { timeout: 90 }, body: new Blob([sent]), throwOnError: true })).data;
  check(job.state === "queued" && job.label === null, "it waits");
  const asked = { worker: { name: "roundtrip" }, kinds: ["bytes.ts"], wait: "20s" };
  const work = (await lease({ body: asked, throwOnError: true })).data?.leases[0];
  if (!work) throw new Error("no work");
  const of = { path: { lease: work.lease }, throwOnError: true, parseAs: "blob" } as const;
  const input = await same((await getLeaseInput(of)).data, "what the worker gets");
  await complete({ path: { lease: work.lease }, body: input, throwOnError: true });
  await same((await getResult({ path: { id: job.id }, throwOnError: true, parseAs: "blob" })).data, "the result");

  const page = (await getEvents({ query: { after: "0", include: "result" }, throwOnError: true })).data;
  check(typeof page === "object" && page.items.some((event) => event.type === "succeeded" && event.data?.result?.size === sent.length), "it is told of");
};

main(process.argv[2] ?? "").catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});

declare const process: { argv: string[]; exit(code: number): never };
