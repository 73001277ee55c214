"""The commands of `talaria`, a file each; what several need stands in the indented lines.

main                         finds a command by its name
serve  check  init  token  keys  explain
  shared                     the option --config and its problems
  starter                    the file that `init` writes
  rotation  timeline         what is safe with a key, and why; how `explain` prints
"""
