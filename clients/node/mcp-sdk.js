// Calls a tool of an MCP server with the official SDK: `mcp-sdk.js URL TOOL [remote]`, through mcp-remote with the last
// word. The environment variable TOKEN is the token; without it none is sent.
//
// Prints the names of the tools and the result of the tool, or the error as a person sees it.

import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, tool, way] = process.argv.slice(2);
const authorization = process.env.TOKEN ? `Bearer ${process.env.TOKEN}` : undefined;

function direct() {
  const headers = authorization ? { Authorization: authorization } : {};
  return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
}

// mcp-remote replaces ${…} by the variable, so that the token is not an argument that other users of the machine see.
function remote() {
  const program = fileURLToPath(new URL("../node_modules/mcp-remote/dist/proxy.js", import.meta.url));
  const header = authorization ? ["--header", "Authorization:${AUTHORIZATION}"] : [];
  const args = [program, url, "--transport", "http-only", "--allow-http", ...header];
  const env = { ...process.env, AUTHORIZATION: authorization ?? "" };
  const transport = new StdioClientTransport({ command: process.execPath, args, env, stderr: "pipe" });
  // What the program says goes to the log of its client, where a person looks.
  transport.stderr.on("data", (chunk) => process.stderr.write(chunk));
  return transport;
}

const client = new Client({ name: "tokenry-test", version: "1.0.0" });
try {
  await client.connect(way === "remote" ? remote() : direct());
  const { tools } = await client.listTools();
  console.log(tools.map(({ name }) => name).join(" "));
  const { content } = await client.callTool({ name: tool, arguments: { text: "hello" } });
  console.log(`result: ${content[0].text}`);
} catch (error) {
  console.log(`error: ${error.message}`);
}
await client.close();
