"""The commands of `talaria`, a file each; what several need stands in the indented lines.

main  lazy_group             finds a command by its name
serve  check  init  token  keys  explain  person  reload  doctor  partner  render
  shared                     options, the problems of a configuration, the end of a command that failed, its lines
  failure_list               the rows that `explain` lists
  probes                     how a server is reached, for `doctor`
  credentials  egress        what personal and the partners say to our credentials, and where our calls come from
  affinity                   whether a balancer keeps a person at one instance
  operators                  asks the operators' listener of the running gateway
  starter.toml               the file that `init` writes
"""
