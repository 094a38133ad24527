// Runs the sign-in module of the page in Node: node sign_in.mjs MODULE FILE ORIGIN SIGNED_ORIGIN < passphrase
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [module, path, server, origin] = process.argv.slice(2);
const { SignInError, signIn } = await import(pathToFileURL(module).href);

async function post(target, body) {
  const response = await fetch(server + target, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  const document = await response.json();
  if (!response.ok) throw new SignInError(document.code, document);
  return document;
}

const [file, passphrase] = [new Uint8Array(readFileSync(path)), readFileSync(0, "utf-8")];
try {
  console.log(JSON.stringify(await signIn({ file, passphrase, origin, post, cookie: false })));
} catch (error) {
  if (!(error instanceof SignInError)) throw error;
  console.log(JSON.stringify({ error: error.code }));
}
