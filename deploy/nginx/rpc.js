// What of the validators' RPC is published: methods that read, one by one, and nothing else. nginx with njs 0.7 or newer.
//
// A request is taken apart and made anew from the four members of JSON-RPC: what is forwarded is what was looked at. (Go
// reads members of any capitalisation, the last one counts, so `{"method": "eth_chainId", "METHOD": "miner_stop"}` would
// be the one here and the other there.) Anybody may read; handing in transactions is the archive's own, on loopback.

const METHODS = [
  'eth_blockNumber', 'eth_call', 'eth_chainId', 'eth_getBalance', 'eth_getBlockByHash', 'eth_getBlockByNumber',
  'eth_getBlockReceipts', 'eth_getBlockTransactionCountByHash', 'eth_getBlockTransactionCountByNumber', 'eth_getCode',
  'eth_getLogs', 'eth_getProof', 'eth_getStorageAt', 'eth_getTransactionByHash', 'eth_getTransactionCount',
  'eth_getTransactionReceipt', 'eth_syncing', 'net_version', 'web3_clientVersion'
]
const BATCH_LIMIT = 50
const PARSE_ERROR = -32700
const INVALID_REQUEST = -32600
const NO_SUCH_METHOD = -32601

function failure (id, code, message) {
  return { jsonrpc: '2.0', id: id, error: { code: code, message: message } }
}

function identifier (call) {
  return typeof call.id === 'number' || typeof call.id === 'string' ? call.id : null
}

// Returns a failure, or null where the call is published.
function refusal (call) {
  if (call === null || typeof call !== 'object' || Array.isArray(call) || typeof call.method !== 'string') {
    return failure(null, INVALID_REQUEST, 'expected a JSON-RPC request')
  }
  if (METHODS.indexOf(call.method) < 0) {
    return failure(identifier(call), NO_SUCH_METHOD, `the method ${call.method.slice(0, 64)} is not served here`)
  }
  if (call.params !== undefined && !Array.isArray(call.params)) {
    return failure(identifier(call), INVALID_REQUEST, 'expected params as an array')
  }
  return null
}

function rebuilt (call) {
  return { jsonrpc: '2.0', id: identifier(call), method: call.method, params: call.params || [] }
}

function answer (r, status, value) {
  r.headersOut['Content-Type'] = 'application/json'
  r.return(status, JSON.stringify(value))
}

async function publish (r) {
  let request
  try {
    request = JSON.parse(r.requestText)
  } catch (error) {
    answer(r, 200, failure(null, PARSE_ERROR, 'expected JSON'))
    return
  }
  const calls = Array.isArray(request) ? request : [request]
  if (calls.length === 0 || calls.length > BATCH_LIMIT) {
    answer(r, 200, failure(null, INVALID_REQUEST, `expected 1 to ${BATCH_LIMIT} requests`))
    return
  }
  for (let i = 0; i < calls.length; i++) {
    const refused = refusal(calls[i])
    if (refused !== null) {
      answer(r, 200, refused)
      return
    }
  }
  const body = JSON.stringify(Array.isArray(request) ? calls.map(rebuilt) : rebuilt(request))
  const reply = await r.subrequest('/validators', { method: 'POST', body: body })
  r.headersOut['Content-Type'] = 'application/json'
  r.return(reply.status, reply.responseText)
}

export default { publish }
