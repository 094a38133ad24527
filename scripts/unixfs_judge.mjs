// Computes CIDs with npm's ipfs-unixfs-importer, the independent judge of ledger/cid.py in the tests.
//
// Reads one JSON job from standard input and prints one JSON answer:
//   {"kind": "file", "size": n, "seed": s, "chunk": bytes?, "width": links?}      content: see pattern()
//   {"kind": "directory", "entries": [[path, text], ...]}                           one root directory around them
//   {"kind": "numbered", "count": n, "prefix": p}                                   n small files named prefix + number
// Answer: {"cid": text, "size": bytes of all blocks, "blocks": {cid: hex length}}.
import { BlackHoleBlockstore } from 'blockstore-core/black-hole'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'

const PIECE = 1 << 16

// Byte i of a file is (i * 31 + (i >> 16) * 7 + seed) mod 256: cheap, and no two chunks are alike by chance.
function * pattern (size, seed) {
  for (let start = 0; start < size; start += PIECE) {
    const piece = new Uint8Array(Math.min(PIECE, size - start))
    const shift = (start / PIECE) * 7 + seed
    for (let i = 0; i < piece.length; i++) piece[i] = (i * 31 + shift) & 0xff
    yield piece
  }
}

async function last (source, options) {
  let entry
  const blocks = []
  class Store extends BlackHoleBlockstore {
    put (cid, block) {
      blocks.push(cid.toString())
      return super.put(cid, block)
    }
  }
  for await (entry of importer(source, new Store(), { profile: 'unixfs-v1-2025', ...options })) { /* keep the last */ }
  return { cid: entry.cid.toString(), size: Number(entry.size), blocks: new Set(blocks).size }
}

async function judge (job) {
  const encoder = new TextEncoder()
  if (job.kind === 'file') {
    const options = {}
    if (job.chunk) options.chunker = fixedSize({ chunkSize: job.chunk })
    if (job.width) options.layout = balanced({ maxChildrenPerNode: job.width })
    return last([{ content: pattern(job.size, job.seed) }], options)
  }
  const entries = job.kind === 'numbered'
    ? Array.from({ length: job.count }, (_, i) => [job.prefix + i, String(i)])
    : job.entries
  const source = entries.map(([path, text]) => ({ path, content: encoder.encode(text) }))
  return last(source, { wrapWithDirectory: true })
}

let input = ''
for await (const piece of process.stdin) input += piece
const answers = []
for (const job of JSON.parse(input)) answers.push(await judge(job))
console.log(JSON.stringify(answers))
