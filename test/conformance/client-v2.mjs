// The TypeScript SDK v2 client (2026-07-28, falling back): lists and calls.
// Usage: node client-v2.mjs URL KEY TOOL ARGS MODE
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const [url, key, tool, args, mode] = process.argv.slice(2);
const versionNegotiation = mode === "modern" ? { mode: { pin: "2026-07-28" } } : { mode };
const client = new Client({ name: "check", version: "2" }, { versionNegotiation });
await client.connect(
  new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { "X-API-Key": key } } }),
);
const { tools } = await client.listTools();
const result = await client.callTool({ name: tool, arguments: JSON.parse(args) });
console.log(JSON.stringify({ tools: tools.map((t) => t.name), result }));
await client.close();
