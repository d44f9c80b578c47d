// Prints what a regular expression matches: match.js EXPRESSION FILE
import { readFileSync } from 'node:fs';

const [expression, file] = process.argv.slice(2);
for (const [match] of readFileSync(file, 'utf8').matchAll(new RegExp(expression, 'g'))) console.log(match);
