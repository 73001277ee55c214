"""HTTP as clients and operators see it.

public      listener  server  cycle  guard              a connection, a request's head and body, each within its limits
  app  proxy                   what is ours to serve, and what the gateway passes on
operators   ops  readiness  status_page                 health, metrics, the ledger, a page for humans
both        problems  dates    every refusal as an answer
"""
