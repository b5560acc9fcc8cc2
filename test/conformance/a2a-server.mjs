// An agent of the official JavaScript SDK that speaks A2A 1.0 and 0.3, over
// JSON-RPC at /agent and over HTTP+JSON below it. Messages tell it what to do,
// as they do the sample agent in Go.
// Usage: node a2a-server.mjs PORT
import express from "express";
import { Role, TaskState } from "@a2a-js/sdk";
import { AgentEvent, DefaultRequestHandler, InMemoryPushNotificationStore, InMemoryTaskStore } from "@a2a-js/sdk/server";
import { createLegacyAwarePushNotificationSender } from "@a2a-js/sdk/compat/v0_3/server";
import { UserBuilder, agentCardHandler, jsonRpcHandler, restHandler } from "@a2a-js/sdk/server/express";

const port = Number(process.argv[2]);
const url = `http://127.0.0.1:${port}/agent`;
const faces = [["JSONRPC", "1.0"], ["HTTP+JSON", "1.0"], ["JSONRPC", "0.3"], ["HTTP+JSON", "0.3"]];
const card = {
  name: "Sample", description: "Counts and repeats.", version: "1.2.3", provider: undefined, iconUrl: undefined, documentationUrl: undefined,
  supportedInterfaces: faces.map(([protocolBinding, protocolVersion]) => ({ url, protocolBinding, protocolVersion, tenant: "" })),
  capabilities: { streaming: true, pushNotifications: true, extendedAgentCard: false, extensions: [] },
  defaultInputModes: ["text/plain"], defaultOutputModes: ["text/plain"], securitySchemes: {}, securityRequirements: [], signatures: [],
  skills: [{ id: "count", name: "Count", description: "Counts to three.", tags: ["numbers"], examples: [], inputModes: [], outputModes: [], securityRequirements: [] }],
};

const parts = (value) => [{ content: { $case: "text", value }, mediaType: "", filename: "", metadata: undefined }];
const message = (text, ids) => ({
  messageId: crypto.randomUUID(), role: Role.ROLE_AGENT, parts: parts(text), contextId: "", taskId: "", metadata: undefined, extensions: [], referenceTaskIds: [], ...ids,
});
const cancelled = new Map(); // task id → what to call

const executor = {
  async execute({ userMessage, taskId, contextId, task }, bus) {
    const text = userMessage.parts.map((p) => (p.content?.$case === "text" ? p.content.value : "")).join("");
    const [word] = text.split(" ");
    if (word === "say") {
      bus.publish(AgentEvent.message(message(text.slice(4), { contextId })));
      return bus.finished();
    }
    const status = (state, said) => ({ state, message: said, timestamp: new Date().toISOString() });
    const update = (state, said) => bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status: status(state, said), metadata: undefined }));
    const artifact = (value, append, lastChunk) => bus.publish(AgentEvent.artifactUpdate({
      taskId, contextId, append, lastChunk, metadata: undefined,
      artifact: { artifactId: "numbers", name: "", description: "", parts: parts(value), metadata: undefined, extensions: [] },
    }));
    bus.publish(AgentEvent.task(task ?? {
      id: taskId, contextId, status: status(TaskState.TASK_STATE_SUBMITTED), artifacts: [], history: [userMessage], metadata: undefined,
    }));
    update(TaskState.TASK_STATE_WORKING);
    if (word === "ask" && !task) {
      update(TaskState.TASK_STATE_INPUT_REQUIRED, message("Which one?", { taskId, contextId }));
      return bus.finished();
    }
    if (word === "wait") {
      await new Promise((done) => cancelled.set(taskId, done));
      update(TaskState.TASK_STATE_CANCELED);
      return bus.finished();
    }
    artifact("one", false, false);
    artifact(" two", true, false);
    artifact(" three", true, true);
    update(TaskState.TASK_STATE_COMPLETED);
    bus.finished();
  },
  async cancelTask(taskId) {
    cancelled.get(taskId)?.();
  },
};

const hooks = new InMemoryPushNotificationStore();
const sender = createLegacyAwarePushNotificationSender(hooks);
const options = { requestHandler: new DefaultRequestHandler(card, new InMemoryTaskStore(), executor, undefined, hooks, sender), userBuilder: UserBuilder.noAuthentication, legacyCompat: { enabled: true } };
const rpc = jsonRpcHandler(options);
const rest = restHandler(options);
const app = express();
app.use("/.well-known/agent-card.json", agentCardHandler({ agentCardProvider: options.requestHandler }));
app.use("/agent", (req, res, next) => (req.path === "/" ? rpc : rest)(req, res, next));
app.listen(port, "127.0.0.1");
