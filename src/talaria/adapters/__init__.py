"""One file for each system that we talk to, and for each thing that we keep or tell. They implement the domain's ports.

outwards    personal  partners/  talaria_services       who is asked, each in its own words
  http_client                  time limits, retries, a breaker: how personal, partners and key sets are asked
  wire/                        our HTTP/1.1 client, below nearly all of it
  httpx_origin  httpx_transport  http2                  an upstream by HTTP/2 or through an egress proxy
  tls  reply                   the contexts of every way out and in; what an answer's parts mean
tokens      tokens  token_form                          callers' tokens, read and believed
  key_sets  verifying_keys  key_files                   whose keys verify them
  service_tokens  key_history  our own tokens, and since when their keys are known
kept        identity_cache     the exchange results
told        recorder  access_log  metrics  ledger       who hears of each event, and what they make of it
  pseudonyms  clock            a person's name in lines; the time
for tests   memory  memory_upstream  contracts/         every port in memory, and what every version of a port must pass

They do not import one another, but for http_client, wire/ and the helpers in the indented lines.
"""
