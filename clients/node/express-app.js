/** A service with a guarded route: `node express-app.js PORT`, with `TOKENRY_URL` and `TOKENRY_TOKEN`. */
import express from "express";

import { tokenry } from "./express-guard.js";

const guard = tokenry({ url: process.env.TOKENRY_URL, token: process.env.TOKENRY_TOKEN });
const app = express();

app.get("/reports", guard("demo:read"), (request, response) => {
  response.json({ subject: request.tokenry.user.subject });
});

app.listen(Number(process.argv[2]), "127.0.0.1");
