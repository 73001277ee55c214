"""The configuration that `talaria init` writes: every setting, explained; the optional ones with their defaults."""


def starter(month: str) -> str:
    """The file's text. `month` names the signing key: its kid, and its file under keys/."""
    return _STARTER.replace("MONTH", month)


_STARTER = """\
# The gateway's configuration. A line that begins with "# key =" shows a default: take the sign away to change it.
# Times are written "250ms", "10s", "15m", "1h"; sizes "512B", "32KiB", "8MiB". Paths start from this file's folder.
# Secrets never stand here: { env = "NAME" } reads a variable, { file = "PATH" } a file.
# Any key can be overridden from outside: TALARIA__SERVER__LISTEN=0.0.0.0:8080. Check with: talaria check

[server]
listen = "127.0.0.1:8080"          # where clients call
ops_listen = "127.0.0.1:9090"      # health, metrics and invalidation: keep it away from clients
# workers = 1                      # processes that share the work
# trusted_proxies = []             # your own proxies in front: whose X-Forwarded-* to believe, such as ["10.0.0.0/8"]
# header_limit = "32KiB"           # a longer request head is refused
# header_timeout = "10s"           # how long a client may take to send it
# body_limit = "64MiB"             # a longer body is refused; "0" lets any through
# keepalive_timeout = "75s"        # an idle connection is closed after this
# drain_timeout = "25s"            # how long a shutdown waits for requests in flight
# max_in_flight = 1024             # requests at once in each worker; more are told to come back later
# tls = { cert_file = "tls/server.pem", key_file = "tls/server.key" }   # without it: plain http

# Who may call: one table for each issuer of tokens. The name, here "app", is yours to choose.
[callers.app]
issuer = "https://id.app.example"  # what its tokens say in "iss"
# audience = "talaria-proxy"       # what they must say in "aud"
# algorithms = ["ES256"]           # any of ES256 ES384 RS256 PS256 EdDSA; HS256 only with a secret
# Where its keys come from, exactly one of these four:
jwks_url = "https://id.app.example/.well-known/jwks.json"
# jwks_timeout = "5s"              # with jwks_url: how long fetching it may take
# jwks_tls = { ca_file = "tls/ca.pem", cert_file = "tls/us.pem", key_file = "tls/us.key" }   # each of them if needed
# egress_proxy = ""                # with jwks_url: an http proxy on the way there, such as "http://proxy.internal:3128"
# jwks_file = "keys/app.jwks.json"
# public_key_file = "keys/app.pem"
# secret = { env = "APP_TOKEN_SECRET" }       # 32 bytes or more, with algorithms = ["HS256"]
# phone_id_claim = "personal_phone_id"        # the claim that names the person; a path such as "person.phone_id" too
# leeway = "30s"                   # how far its clock may be off
# max_lifetime = "24h"             # tokens made for longer are refused
# networks = []                    # where it may call from, such as ["192.0.2.0/24"]; none named: from anywhere
# A caller that names no person has an API key in place of all of these but networks, for routes with identity = "none".
# It is one secret of 32 characters or more, or a list of two while the caller changes from one to the next.
# api_key = { env = "JOBS_API_KEY" }

# The tokens that we sign for the upstreams. The first key signs, all are published at /.well-known/jwks.json.
[signing]
# issuer = "talaria-proxy"
keys = [{ kid = "MONTH", file = "keys/MONTH.pem" }]
# lifetime = "60s"
# backdate = "5s"                  # iat and nbf are this much earlier than now, for upstreams whose clock is behind

# The service that knows which phone number stands behind an id.
[personal]
url = "http://personal.internal"
token = { env = "PERSONAL_TOKEN" } # leave it out if personal wants none
# timeout = "1s"                   # retries included
# attempts = 3
# max_concurrent = 64              # questions at once; the rest wait in order
# tls = { ca_file = "tls/ca.pem", cert_file = "tls/us.pem", key_file = "tls/us.key" }   # each of them if needed
# egress_proxy = ""

# The partners. The table's name is the partner's id, and by default its adapter's.
[partners.wind]
# adapter = "wind"
url = "https://api.wind.example"
api_key = { env = "WIND_API_KEY" }
# user_id_header = "x-wind-user-id"           # what tells the upstream who the person is at this partner
# timeout = "2s"                   # retries included
# attempts = 3
# max_concurrent = 64
# tls = { ca_file = "tls/ca.pem", cert_file = "tls/us.pem", key_file = "tls/us.key" }
# source_address = "192.0.2.10"    # the local address to call from, where the partner keeps a list of them
# egress_proxy = ""                # or the http proxy that is on its list, such as "http://proxy.internal:3128"

# What is remembered of exchanges, in memory alone.
[identities]
# max_entries = 100_000            # the least recently used goes first
# max_age = "15m"                  # older ones are exchanged again
# negative_age = "10s"             # how long a "no such id" is remembered
# stale_if_error = "1h"            # how long an older one still serves while personal or the partner fails; "0s": never

# The back ends that requests go on to.
[upstreams.talaria-services]
urls = ["http://talaria-services.internal"]   # several share the load
# audience = "talaria-services"    # the "aud" of the tokens that we sign for it
api_key = { env = "TALARIA_SERVICES_API_KEY" }            # leave it out if it wants none
# connect_timeout = "1s"
# max_connections = 256            # to each url, from each worker
# max_connection_age = "5m"        # a kept connection is not used again past it, so a name that moved is followed
# egress_proxy = ""                # an http proxy on the way there, such as "http://proxy.internal:3128"
# tls = { ca_file = "tls/ca.pem", cert_file = "tls/us.pem", key_file = "tls/us.key" }
# source_address = "192.0.2.10"

# What a value of x-api-tag stands for: the table's name is that value.
[routes.wind]
# identity = "required"            # "none": for callers with an API key; nothing is exchanged, partner may be left out
partner = "wind"
upstream = "talaria-services"
# callers = ["app"]                # without it, every caller
# methods = []                     # without any, every method
# timeout = "10s"                  # until the head of the answer, the exchange included and the upload not
# upload_timeout = "5m"            # the longest that a request's body may take to arrive
# idle_timeout = "60s"             # the longest silence inside a body, either way

# What the lines say of a person: a pseudonym that tells two persons apart, and not who they are.
[logging]
# person_key = { env = "PERSON_KEY" }         # gives the same pseudonyms on every instance; 32 characters or more
"""
