"""The commands of `talaria`, a file each; what several need stands in the indented lines.

main  lazy_group             finds a command by its name
serve  check  init  token  keys  explain  person  reload  doctor  partner  render
  shared                     the option --config and its problems, the end of a command that failed, the console
  failure_list               the rows that `explain` lists
  probes  partner_probes     how a server is reached, and what an adapter's own probe says, for `doctor`
  operators                  asks the operators' listener of the running gateway
  starter.toml               the file that `init` writes
"""
