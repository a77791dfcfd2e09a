// What openapi-typescript makes of the document, as a program in strict mode uses it. It is compiled, not run.
import type { components, operations, paths } from "./schema";

type Schemas = components["schemas"];
type Is<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const yes = <_ extends true>(): void => undefined;

export const job: Schemas["NewJob"] = { kind: "k", timeout: 90, delay: "10m", retry: { initial: 1 }, tags: { a: "b" } };
// @ts-expect-error a duration is no list
export const late: Schemas["NewJob"] = { kind: "k", timeout: [] };
// @ts-expect-error there is no such state
export const state: Schemas["Job"]["state"] = "runing";

yes<Is<Schemas["Job"]["label"], string | null>>();
yes<Is<Schemas["Job"]["state"], "scheduled" | "queued" | "blocked" | "running" | "succeeded" | "failed" | "canceled">>();
yes<Is<paths["/kinds/{kind}/jobs"]["post"], operations["submit_bytes"]>>();
yes<Is<operations["submit_bytes"]["requestBody"]["content"]["application/octet-stream"], string>>();
yes<Is<operations["get_job"]["responses"][202]["headers"]["Retry-After"], number>>();

export const why = (event: Schemas["Event"]): string | undefined => {
  switch (event.type) {
    case "failed":
    case "retrying":
      return event.data?.problem.title;
    case "lost":
      return event.data?.worker;
    default:
      return undefined;
  }
};

// A failed job and a refusal come with the same status.
export const told = (answer: operations["get_job"]["responses"][400]["content"]["application/problem+json"]): string =>
  "state" in answer ? answer.state : answer.title;
