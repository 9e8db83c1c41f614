// Runs the pad's modules in node: `node pad_runtime.mjs ASSETS TASK < request.json > answer.json`, see pad_runtime.js.
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";
import { tasks } from "./pad_runtime.js";

const [assets, task] = process.argv.slice(2);
const answer = await tasks[task]((name) => import(pathToFileURL(`${assets}/${name}`)), JSON.parse(readFileSync(0, "utf8")));
process.stdout.write(JSON.stringify(answer));
