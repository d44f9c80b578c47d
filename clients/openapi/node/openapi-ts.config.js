export default {
  input: "../../../docs/openapi.json",
  // Node.js needs the ending in imports.
  output: { path: "src/hey-api", module: { extension: ".js" } },
  plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"],
};
