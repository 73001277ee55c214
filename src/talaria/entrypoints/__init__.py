"""Where the program begins. Five rooms; each imports only those below it.

cli/        the command line, one file a command
runtime/    processes, reload, and the containers that build everything once
ops/        the operators' listener: health, metrics, the failure log, invalidation, a page
public/     the public listener: the proxy and what is ours to serve
  server/   our HTTP/1.1 server
config/     a file and the environment -> settings
"""
