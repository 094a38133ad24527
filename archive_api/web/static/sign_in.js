// The sign-in page: the form, who is signed in, and signing out.
import { SignInError, signIn } from "./sign_in_core.js";

const panel = document.querySelector("[data-sign-in]");
const form = panel.querySelector("form");
const problem = panel.querySelector("[role=alert]");
const status = panel.querySelector("[role=status]");
const signedIn = document.querySelector("[data-signed-in]");
const chinese = document.documentElement.lang.startsWith("zh");
let csrf = null;

async function ask(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (csrf !== null) headers["Yunshang-CSRF-Token"] = csrf;
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), credentials: "same-origin" });
  } catch {
    throw new SignInError("network");
  }
  const document = await response.json().catch(() => ({}));
  if (!response.ok) throw new SignInError(document.code ?? "network", document);
  return document;
}

const post = (path, body) => ask("POST", path, body);

function say(error) {
  const own = panel.querySelector(`[data-error="${error.code}"]`);
  const title = chinese ? error.document?.title_zh : error.document?.title_en;
  problem.textContent = title ?? own?.textContent ?? panel.querySelector('[data-error="network"]').textContent;
  if (error.code === "origin" && error.document?.origin) problem.textContent += ` ${error.document.origin}`;
  problem.hidden = false;
  problem.focus();
}

function leave() {
  window.location.replace(panel.dataset.target);
}

async function refresh() {
  let session = null;
  try {
    session = await ask("GET", "/api/v1/sessions/current");
  } catch {
    // nobody is signed in
  }
  csrf = session?.csrf_token ?? null;
  signedIn.hidden = session === null;
  panel.hidden = session !== null;
  if (session !== null) signedIn.querySelector("[data-name]").textContent = session.name;
  return session;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [file, passphrase] = [form.elements.file.files[0], form.elements.passphrase.value];
  const button = form.querySelector("button");
  problem.hidden = true;
  if (file === undefined) { say(new SignInError("format")); return; }
  button.disabled = true;
  status.textContent = panel.dataset.busy;
  try {
    const content = new Uint8Array(await file.arrayBuffer());
    await signIn({ file: content, passphrase, origin: window.location.origin, post });
    form.reset();
    leave();
  } catch (error) {
    say(error instanceof SignInError ? error : new SignInError("format"));
  } finally {
    button.disabled = false;
    status.textContent = "";
  }
});

signedIn.querySelector("button").addEventListener("click", async () => {
  try {
    await ask("DELETE", "/api/v1/sessions/current");
  } finally {
    window.location.reload();
  }
});

form.hidden = false;
const session = await refresh();
if (session !== null && panel.dataset.done === "true") leave();
