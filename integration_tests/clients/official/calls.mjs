// Iterable's official client calls a sandbox: `node calls.mjs URL KEY` prints, as JSON, what became of each call.
//
// Every method is called that reads what the sandbox has. A call has faults if the sandbox refuses it, or if the
// answer does not fit the client's schema; it has unknown fields if the schema does not name them. Some calls are
// wrong on purpose, and must be refused with an error that the client can read.

import { IterableClient, StartExportJobParamsSchema } from "@iterable/api";

const EPOCH = "2000-01-01 00:00:00";
const FUTURE = "2100-01-01 00:00:00";
const MOST_LOOKS = 20;

const [url, key] = process.argv.slice(2);
const client = new IterableClient({ apiKey: key, baseUrl: url, timeout: 60000 });
const calls = [];
const rows = {};
let sent;
client.client.interceptors.response.use((response) => {
  sent = response.data;
  return response;
});

/** Calls a method, and gives its result, or undefined. */
async function call(method, ...parameters) {
  const one = { method, parameters, faults: [], unknown: [], wrong: false };
  calls.push(one);
  sent = undefined;
  try {
    const result = await client[method](...parameters);
    const body = sent?.params ?? sent; // the answers about catalogs may be wrapped
    one.unknown = [...new Set(Array.isArray(result) ? [] : unknown(body, result, ""))].sort();
    return result;
  } catch (error) {
    one.faults = [...new Set(faults(error))].sort();
    return undefined;
  }
}

/** Calls a method for what there is not. */
async function refused(method, parameters) {
  await call(method, parameters);
  calls.at(-1).wrong = true;
}

/** What is wrong, without anything that differs from row to row. */
function faults(error) {
  if (error.validationError === undefined) {
    return [`HTTP ${error.statusCode} ${error.code ?? error.message}`];
  }
  let issues;
  try {
    issues = JSON.parse(error.validationError);
  } catch {
    return [error.validationError.replaceAll(/\d+/g, "*")];
  }
  return issues.map(({ path, message }) => {
    const value = path.reduce((part, name) => part?.[name], error.rawResponse.params ?? error.rawResponse);
    const shown = typeof value === "string" && /\d/.test(value) ? value.replaceAll(/\d/g, "0") : value;
    return `${path.map((name) => (typeof name === "number" ? "*" : name)).join(".")}: ${JSON.stringify(shown)}: ${message}`;
  });
}

/** The fields that were sent and are not in what the schema left of them. */
function* unknown(before, after, path) {
  if (Array.isArray(before) && Array.isArray(after)) {
    for (const [at, value] of before.entries()) yield* unknown(value, after[at], `${path}*.`);
  } else if (isObject(before) && isObject(after)) {
    for (const [name, value] of Object.entries(before)) {
      if (name in after) yield* unknown(value, after[name], `${path}${name}.`);
      else yield `${path}${name}`;
    }
  }
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads all pages of a listing; gives its rows. */
async function pages(method, name, parameters = {}) {
  const found = [];
  for (let page = 1; ; page += 1) {
    await call(method, { ...parameters, page });
    const answer = sent?.params ?? sent; // as it was sent, even where it does not fit the schema
    found.push(...(answer?.[name] ?? []));
    if (!answer?.nextPageUrl) break;
  }
  return found;
}

async function campaigns() {
  rows.campaigns = await pages("getCampaigns", "campaigns", { pageSize: 7 });
  for (const field of ["id", "name", "createdAt", "updatedAt", "startAt"]) {
    for (const direction of ["asc", "desc"]) {
      await call("getCampaigns", { pageSize: 1000, sort: { field, direction } });
    }
  }
  const states = ["Draft", "Ready", "Scheduled", "Running", "Finished", "Aborted", "Recurring", "Archived"];
  for (const state of states) await call("getCampaigns", { pageSize: 1000, campaignState: [state] });
  await call("getCampaigns", { pageSize: 1000, campaignState: states });
  for (const { id } of rows.campaigns.slice(0, 8)) {
    await call("getCampaignMetrics", { campaignId: id, startDateTime: EPOCH, endDateTime: FUTURE });
  }
  await call("getCampaignMetrics", { campaignId: 1, startDateTime: "2024-01-01", endDateTime: "2024-01-02" });
}

async function project() {
  rows.channels = (await call("getChannels"))?.channels;
  rows.messageTypes = (await call("getMessageTypes"))?.messageTypes;
  rows.user_fields = Object.keys((await call("getUserFields"))?.fields ?? {});
  rows.lists = (await call("getLists"))?.lists;
  rows.list_users = [];
  for (const { id } of rows.lists) rows.list_users.push(...((await call("getListUsers", { listId: id }))?.users ?? []));
  rows.snippets = (await call("getSnippets"))?.snippets;
  rows.journeys = await pages("getJourneys", "journeys");
  rows.journeys.push(...(await pages("getJourneys", "journeys", { pageSize: 2, state: ["Archived"] })));
  await call("getJourneys", { pageSize: 50, sort: { field: "updatedAt", direction: "desc" } });
  rows.catalogs = await pages("getCatalogs", "catalogNames", { pageSize: 1 });
  rows.catalog_items = [];
  for (const { name } of rows.catalogs) {
    rows.catalog_items.push(...(await pages("getCatalogItems", "catalogItemsWithProperties", { catalogName: name })));
    await call("getCatalogItems", { catalogName: name, pageSize: 1000, orderBy: "price", sortAscending: true });
  }
  await refused("getCatalogItems", { catalogName: "there-is-none" });
}

async function templates() {
  rows.templates = await pages("getTemplates", "templates", { pageSize: 9 });
  await call("getTemplates", { pageSize: 1000, sort: { field: "name", direction: "desc" }, startDateTime: EPOCH });
  for (const [medium, get] of Object.entries({
    Email: "getEmailTemplate",
    Push: "getPushTemplate",
    InApp: "getInAppTemplate",
    SMS: "getSMSTemplate",
  })) {
    for (const kind of ["Base", "Blast", "Triggered", "Workflow"]) {
      const filter = { templateType: kind, messageMedium: medium };
      for (const { templateId } of await pages("getTemplates", "templates", { ...filter, pageSize: 1000 })) {
        await call(get, { templateId });
        await call(get, { templateId, locale: "en-US" });
      }
    }
    await refused(get, { templateId: 1 });
  }
}

async function experiments() {
  const limit = 10;
  rows.experiments = [];
  for (let offset = 0; rows.experiments.length === offset; offset += limit) {
    await call("listExperiments", { limit, offset });
    rows.experiments.push(...(sent?.experiments ?? []));
  }
  for (const status of ["draft", "running", "finished"]) await call("listExperiments", { status });
  await call("listExperiments", { limit: 1000 });
  for (const { id } of rows.experiments) {
    await call("getExperiment", { experimentId: id });
    await call("getExperimentMetrics", { experimentId: [id] });
  }
  await refused("getExperiment", { experimentId: 1 });
}

async function exports_() {
  const { dataTypeName, outputFormat } = StartExportJobParamsSchema.shape;
  rows.jobs = [];
  for (const name of dataTypeName.options) {
    for (const format of outputFormat.options) {
      const parameters = { dataTypeName: name, outputFormat: format, startDateTime: EPOCH, endDateTime: FUTURE };
      const jobId = (await call("startExportJob", parameters))?.jobId;
      if (jobId === undefined) continue;
      rows.jobs.push(await exported(jobId, name, format));
    }
  }
  for (const jobState of ["enqueued", "running", "completed", "failed", "cancelling", undefined]) {
    await call("getExportJobs", { jobState });
  }
  const whole = { outputFormat: "application/x-json-stream", startDateTime: EPOCH, endDateTime: FUTURE };
  const { jobId } = await call("startExportJob", { dataTypeName: "emailSend", ...whole });
  await call("cancelExportJob", { jobId });
  await call("getExportFiles", { jobId });
  await call("getExportJobs");
  await refused("cancelExportJob", { jobId: 1 });
  await call("cancelExportJob", { jobId: rows.jobs[0].jobId }); // it is completed
}

/** Waits for a job, and gives what is in its files. */
async function exported(jobId, name, format) {
  let answer;
  for (let look = 0; look < MOST_LOOKS && answer?.jobState !== "completed"; look += 1) {
    answer = await call("getExportFiles", { jobId });
  }
  const bodies = [];
  for (let files = answer?.files ?? []; files.length > 0; ) {
    for (const file of files) bodies.push(await (await fetch(file.url)).text());
    files = (await call("getExportFiles", { jobId, startAfter: files.at(-1).file }))?.files ?? [];
  }
  return { jobId, name, format, bodies };
}

/** The methods of the client. */
function methods() {
  const found = new Set();
  for (let proto = IterableClient.prototype; proto !== Object.prototype; proto = Object.getPrototypeOf(proto)) {
    for (const name of Object.getOwnPropertyNames(proto)) found.add(name);
  }
  return [...found].filter((name) => !["constructor", "destroy"].includes(name)).sort();
}

await project();
await campaigns();
await templates();
await experiments();
await exports_();
client.destroy();
process.stdout.write(JSON.stringify({ methods: methods(), calls, rows }));
