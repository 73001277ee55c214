"""One file for each system we talk to, one folder for each thing that takes several: the domain's ports, implemented.

personal  partners/  talaria_services    the three systems; partner_kit/ is what partners are written with
partner_trial                            another adapter of a partner, beside the one that serves
  dependency_client  balanced_upstream   how a dependency is asked; which url of an upstream is
  http1/                                 our HTTP/1.1 client, below both
identity_cache  clock  tls               exchange results; time; the contexts of every TLS connection
auth/                                    callers' tokens and the keys that verify them; our own tokens
telemetry/                               what each event becomes: metrics, the access line, the failure log
"""
