// Signing in with a key file: reads a PKCS#12 file (PBES2 with AES, as OpenSSL 3 writes it) and signs the server's
// challenge. The key goes from the file into a key that can't be read out again; it is used once and kept nowhere.
// What is signed is built here from this page's own address and both nonces: docs/formats.md section 13.

export class SignInError extends Error {
  // code: "format", "algorithm", "passphrase", "origin", or a problem's own with its document
  constructor(code, document = null) { super(code); this.code = code; this.document = document; }
}

const OIDS = {
  data: "2a864886f70d010701", encryptedData: "2a864886f70d010706",
  keyBag: "2a864886f70d010c0a0101", shroudedKeyBag: "2a864886f70d010c0a0102", certBag: "2a864886f70d010c0a0103",
  pbes2: "2a864886f70d01050d", pbkdf2: "2a864886f70d01050c",
};
const CIPHERS = { "60864801650304012a": 256, "608648016503040102": 128, "608648016503040116": 192 };
const HASHES = {
  "2a864886f70d0207": "SHA-1", "2a864886f70d0209": "SHA-256",
  "2a864886f70d020a": "SHA-384", "2a864886f70d020b": "SHA-512",
};
const MAX_ITERATIONS = 10_000_000;
const MAX_DEPTH = 16;

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const toBase64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
export const fromBase64 = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));

// One DER element: definite lengths only.
function element(bytes, depth = 0) {
  if (bytes.length < 2 || depth > MAX_DEPTH) throw new SignInError("format");
  let [length, start] = [bytes[1], 2];
  if (length > 0x7f) {
    const count = length & 0x7f;
    if (count === 0 || count > 4 || bytes.length < 2 + count) throw new SignInError("format");
    length = bytes.subarray(2, 2 + count).reduce((sum, byte) => sum * 256 + byte, 0);
    start += count;
  }
  if (start + length > bytes.length) throw new SignInError("format");
  const value = bytes.subarray(start, start + length);
  return {
    tag: bytes[0], value, rest: bytes.subarray(start + length),
    get children() {
      const found = [];
      for (let left = value; left.length > 0;) {
        const child = element(left, depth + 1);
        found.push(child);
        left = child.rest;
      }
      return found;
    },
  };
}

function child(parent, index, tag) {
  const found = parent?.children[index];
  if (found === undefined || found.tag !== tag) throw new SignInError("format");
  return found;
}

const SEQUENCE = 0x30, INTEGER = 0x02, OCTETS = 0x04, OID = 0x06, EXPLICIT = 0xa0, IMPLICIT = 0x80;
const oid = (parent, index = 0) => hex(child(parent, index, OID).value);
const inner = (wrapped, tag) => child(wrapped, 0, tag);
const whole = (bytes, tag) => {
  const found = element(bytes);
  if (found.tag !== tag || found.rest.length > 0) throw new SignInError("format");
  return found;
};

// PBES2. Source: RFC 8018 section 6.2.
async function decrypt(algorithm, ciphertext, passphrase) {
  if (oid(algorithm) !== OIDS.pbes2) throw new SignInError("algorithm");
  const parameters = child(algorithm, 1, SEQUENCE);
  const derivation = child(parameters, 0, SEQUENCE), cipher = child(parameters, 1, SEQUENCE);
  const bits = CIPHERS[oid(cipher)];
  if (oid(derivation) !== OIDS.pbkdf2 || bits === undefined) throw new SignInError("algorithm");
  const settings = child(derivation, 1, SEQUENCE);
  const prf = settings.children.slice(2).find((found) => found.tag === SEQUENCE);
  const hash = prf === undefined ? "SHA-1" : HASHES[oid(prf)];
  const iterations = child(settings, 1, INTEGER).value.reduce((sum, byte) => sum * 256 + byte, 0);
  if (hash === undefined || iterations < 1 || iterations > MAX_ITERATIONS) throw new SignInError("algorithm");
  const secret = await crypto.subtle.importKey("raw", new TextEncoder().encode(passphrase), "PBKDF2", false, ["deriveKey"]);
  const key = await crypto.subtle.deriveKey(
    { name: "PBKDF2", salt: child(settings, 0, OCTETS).value, iterations, hash },
    secret, { name: "AES-CBC", length: bits }, false, ["decrypt"],
  );
  try {
    const iv = child(cipher, 1, OCTETS).value;
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-CBC", iv }, key, ciphertext));
  } catch {
    throw new SignInError("passphrase");
  }
}

// The bags of a PKCS#12 file. Source: RFC 7292 section 4.
async function bags(file, passphrase) {
  const safe = child(whole(file, SEQUENCE), 1, SEQUENCE);
  if (oid(safe) !== OIDS.data) throw new SignInError("algorithm");
  const contents = whole(inner(child(safe, 1, EXPLICIT), OCTETS).value, SEQUENCE).children;
  const found = [];
  for (const content of contents) {
    const wrapped = child(content, 1, EXPLICIT);
    let plain;
    if (oid(content) === OIDS.data) {
      plain = inner(wrapped, OCTETS).value;
    } else if (oid(content) === OIDS.encryptedData) {
      const encrypted = child(inner(wrapped, SEQUENCE), 1, SEQUENCE);
      plain = await decrypt(child(encrypted, 1, SEQUENCE), child(encrypted, 2, IMPLICIT).value, passphrase);
    } else {
      throw new SignInError("algorithm");
    }
    try {
      found.push(...whole(plain, SEQUENCE).children);
    } catch (error) {
      // Deciphered with a wrong passphrase, one time in 256 the padding is right.
      throw oid(content) === OIDS.data ? error : new SignInError("passphrase");
    }
  }
  return found;
}

export async function readKeyFile(file, passphrase) {
  let [certificate, privateKey] = [null, null];
  for (const bag of await bags(file, passphrase)) {
    const wrapped = child(bag, 1, EXPLICIT);
    const kind = oid(bag);
    if (kind === OIDS.certBag && certificate === null) {
      certificate = inner(child(inner(wrapped, SEQUENCE), 1, EXPLICIT), OCTETS).value;
    } else if (kind === OIDS.shroudedKeyBag) {
      const shrouded = inner(wrapped, SEQUENCE);
      privateKey = await decrypt(child(shrouded, 0, SEQUENCE), child(shrouded, 1, OCTETS).value, passphrase);
    } else if (kind === OIDS.keyBag) {
      privateKey = wrapped.value;
    }
  }
  if (certificate === null || privateKey === null) throw new SignInError("format");
  let key;
  try {
    key = await crypto.subtle.importKey("pkcs8", privateKey, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  } catch {
    throw new SignInError("algorithm");
  } finally {
    privateKey.fill(0);
  }
  return { certificate: certificate.slice(), key };
}

export function signInMessage(origin, serverNonce, clientNonce) {
  if (serverNonce.length !== 32 || clientNonce.length !== 32) throw new SignInError("format");
  if (!/^https?:\/\/[a-z0-9.:[\]-]+$/.test(origin)) throw new SignInError("origin");
  const head = new TextEncoder().encode(`yunshang-signin/v1\0${origin}`);
  const message = new Uint8Array(head.length + 64);
  message.set(head);
  message.set(serverNonce, head.length);
  message.set(clientNonce, head.length + 32);
  return message;
}

// post(path, body) answers the JSON document of an accepted request, or throws a SignInError with the problem's code.
export async function signIn({ file, passphrase, origin, post, cookie = true }) {
  const { certificate, key } = await readKeyFile(file, passphrase);
  const identifier = new Uint8Array(await crypto.subtle.digest("SHA-256", certificate));
  const challenge = await post("/api/v1/sign-in/challenges", { certificate_id: hex(identifier) });
  if (challenge.origin !== origin) throw new SignInError("origin", { origin: challenge.origin });
  const clientNonce = crypto.getRandomValues(new Uint8Array(32));
  const message = signInMessage(origin, fromBase64(challenge.server_nonce), clientNonce);
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, message);
  return post("/api/v1/sessions", {
    challenge: challenge.challenge,
    certificate: toBase64(certificate),
    origin,
    client_nonce: toBase64(clientNonce),
    signature: toBase64(new Uint8Array(signature)),
    cookie,
  });
}
