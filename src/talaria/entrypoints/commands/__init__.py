"""The commands of `talaria`, a file each; what several need stands in the indented lines.

serve  check  init  sandbox  token  keys  explain
  configuration  starter       the option --config and its problems; the file that `init` writes
  rotation  timeline           what is safe with a key, and why; how `explain` prints
"""
